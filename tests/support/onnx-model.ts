/** ONNX models written by hand (onnx.proto3), for tests that need one to be slow, forbidden or not what it says. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One protobuf field: a varint, or bytes with their length. */
export function field(number: number, value: number | Uint8Array | string): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = BigInt(value);
  for (; left >= 0x80n; left >>= 7n) bytes.push(Number(left & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(left)]);
}

/** TensorProto.DataType */
const TYPES = { float: 1, int64: 7, bool: 9 } as const;
type TypeName = keyof typeof TYPES;

/** An axis is a number, or a name where any size will do. */
export type Dims = readonly (number | string)[];

/** A ValueInfoProto. */
export function valueInfo(name: string, dims: Dims, type: TypeName = 'float'): Buffer {
  const shape = dims.map((dim) => field(1, typeof dim === 'number' ? field(1, dim) : field(2, dim)));
  const tensor = Buffer.concat([field(1, TYPES[type]), field(2, Buffer.concat(shape))]);
  return Buffer.concat([field(1, name), field(2, field(1, tensor))]);
}

/** A TensorProto with its values in the file. */
export function tensor(
  name: string,
  dims: readonly number[],
  values: readonly number[],
  type: TypeName = 'float',
): Buffer {
  const raw =
    type === 'float'
      ? Buffer.from(Float32Array.from(values).buffer)
      : type === 'int64'
        ? Buffer.from(BigInt64Array.from(values, BigInt).buffer)
        : Buffer.from(values);
  return Buffer.concat([...dims.map((dim) => field(1, dim)), field(2, TYPES[type]), field(8, name), field(9, raw)]);
}

/** A TensorProto whose values lie in another file. */
export function externalTensor(name: string, dims: readonly number[], location: string): Buffer {
  const entry = (key: string, value: string) => field(13, Buffer.concat([field(1, key), field(2, value)]));
  return Buffer.concat([
    ...dims.map((dim) => field(1, dim)),
    field(2, TYPES.float),
    field(8, name),
    entry('location', location),
    field(14, 1),
  ]);
}

/** Attributes: one number, several, a tensor or a graph. */
export const attribute = {
  int: (name: string, value: number) => Buffer.concat([field(1, name), field(3, value), field(20, 2)]),
  ints: (name: string, values: readonly number[]) =>
    Buffer.concat([field(1, name), ...values.map((value) => field(8, value)), field(20, 7)]),
  tensor: (name: string, value: Uint8Array) => Buffer.concat([field(1, name), field(5, value), field(20, 4)]),
  graph: (name: string, value: Uint8Array) => Buffer.concat([field(1, name), field(6, value), field(20, 5)]),
};

/** A NodeProto. */
export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Uint8Array[] = [],
  domain = '',
): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, operator),
    ...attributes.map((each) => field(5, each)),
    ...(domain === '' ? [] : [field(7, domain)]),
  ]);
}

export interface Graph {
  readonly nodes: readonly Uint8Array[];
  readonly weights?: readonly Uint8Array[];
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

/** A GraphProto. */
export function graph({ nodes, weights = [], inputs, outputs }: Graph): Buffer {
  return Buffer.concat([
    ...nodes.map((each) => field(1, each)),
    field(2, 'graph'),
    ...weights.map((each) => field(5, each)),
    ...inputs.map((each) => field(11, each)),
    ...outputs.map((each) => field(12, each)),
  ]);
}

/** A ModelProto. @param domains - operator sets beside ONNX's own */
export function onnxModel(given: Graph, { opset = 17, domains = [] as readonly string[] } = {}): Buffer {
  const sets = [['', opset] as const, ...domains.map((domain) => [domain, 1] as const)];
  return Buffer.concat([
    field(1, 8),
    ...sets.map(([domain, version]) => field(8, Buffer.concat([field(1, domain), field(2, version)]))),
    field(7, graph(given)),
  ]);
}

/** `image` [1, 1, X, Y, Z] to `output` [1, C, X, Y, Z]: channel c is weight c times the voxel and bias c more. */
export function linearNetwork(
  weights: readonly number[],
  biases: readonly number[],
  size: readonly (number | string)[] = ['X', 'Y', 'Z'],
  output = 'brain',
): Buffer {
  const ones = size.map(() => 1);
  return onnxModel({
    nodes: [node('Conv', ['image', 'w', 'b'], [output])],
    weights: [tensor('w', [weights.length, 1, ...ones], weights), tensor('b', [weights.length], biases)],
    inputs: [valueInfo('image', [1, 1, ...size])],
    outputs: [valueInfo(output, [1, weights.length, ...size])],
  });
}

/** A network over a cube of `size` voxels: as many 9 × 9 × 9 convolutions in a row as asked for; each takes seconds. */
export function slowNetwork(size: number, layers: number): Buffer {
  const cube = [1, 1, size, size, size];
  return onnxModel({
    nodes: Array.from({ length: layers }, (_, n) =>
      node(
        'Conv',
        [n === 0 ? 'image' : `v${n}`, 'w'],
        [n === layers - 1 ? 'brain' : `v${n + 1}`],
        [attribute.ints('pads', [4, 4, 4, 4, 4, 4])],
      ),
    ),
    weights: [tensor('w', [1, 1, 9, 9, 9], new Array<number>(729).fill(1 / 729))],
    inputs: [valueInfo('image', cube)],
    outputs: [valueInfo('brain', cube)],
  });
}

/** Whatever a test says otherwise. */
export type ManifestChange = (manifest: Record<string, unknown>) => Record<string, unknown>;

/** A manifest of a network of one channel in and out, of any size, without resampling. */
export function manifestFor(onnx: Uint8Array, change: ManifestChange = (same) => same): Record<string, unknown> {
  const tensorFormat = { num_channels: 1, spatial_shape: ['*', '*', '*'], dtype: 'float32' };
  return change({
    schema: 'hub.model/1',
    name: 'tried',
    version: '1',
    onnx: { file: 'model.onnx', sha256: createHash('sha256').update(onnx).digest('hex'), opset_max: 18 },
    task: 'segmentation',
    intended_use: 'tests',
    license: 'Apache-2.0',
    species: ['mouse', 'rat'],
    modality: 'MR',
    network_data_format: { inputs: { image: tensorFormat }, outputs: { brain: tensorFormat } },
    geometry: { layout: 'NCXYZ', axes: 'scanner', spacing_policy: 'native' },
    output: { activation: 'none', decode: 'threshold' },
    labels: [
      {
        index: 1,
        name: 'Bright',
        category: { scheme: 'SCT', code: '123037004' },
        type: { scheme: 'SCT', code: '12738006' },
        rgb: [230, 140, 60],
      },
    ],
    limits: { max_seconds: 60, max_rss_mb: 1024 },
  });
}

/** A folder with the network and a manifest that names it. */
export function writeModelFolder(folder: string, onnx: Uint8Array, change?: ManifestChange): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.onnx'), onnx);
  writeFileSync(join(folder, 'model.json'), JSON.stringify(manifestFor(onnx, change)));
}

/** As `writeModelFolder`, for a cube. */
export function writeModel(folder: string, onnx: Uint8Array, size: number, maxSeconds = 600): void {
  const cube = { num_channels: 1, spatial_shape: [size, size, size], dtype: 'float32' };
  writeModelFolder(folder, onnx, (manifest) => ({
    ...manifest,
    network_data_format: { inputs: { image: cube }, outputs: { brain: cube } },
    limits: { max_seconds: maxSeconds, max_rss_mb: 2048 },
  }));
}
