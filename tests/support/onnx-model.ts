/** ONNX models written by hand (onnx.proto3), for tests that need one to be slow, forbidden or not what it says. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BUNDLED = new URL('../../processors/segment/models/rodent-brain/model.json', import.meta.url);

/** One protobuf field: a varint, or bytes with their length. */
export function field(number: number, value: number | Uint8Array | string): Buffer {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 0x80) return Buffer.from([...bytes, left]);
    bytes.push((left & 0x7f) | 0x80);
  }
}

/** A network over a cube of `size` voxels: as many 9 × 9 × 9 convolutions in a row as asked for; each takes seconds. */
export function slowNetwork(size: number, layers: number): Buffer {
  const shape = (dims: readonly number[]) => dims.map((dim) => field(1, field(1, dim)));
  const tensorType = field(1, Buffer.concat([field(1, 1), field(2, Buffer.concat(shape([1, 1, size, size, size])))]));
  const value = (name: string) => Buffer.concat([field(1, name), field(2, tensorType)]);
  const weights = Buffer.concat([
    ...[1, 1, 9, 9, 9].map((dim) => field(1, dim)),
    field(2, 1),
    field(8, 'w'),
    field(9, Buffer.from(new Float32Array(729).fill(1 / 729).buffer)),
  ]);
  const pads = Buffer.concat([field(1, 'pads'), ...Array.from({ length: 6 }, () => field(8, 4)), field(20, 7)]);
  const nodes = Array.from({ length: layers }, (_, n) =>
    field(
      1,
      Buffer.concat([
        field(1, n === 0 ? 'image' : `v${n}`),
        field(1, 'w'),
        field(2, n === layers - 1 ? 'brain' : `v${n + 1}`),
        field(4, 'Conv'),
        field(5, pads),
      ]),
    ),
  );
  const graph = [...nodes, field(2, 'slow'), field(5, weights), field(11, value('image')), field(12, value('brain'))];
  return Buffer.concat([
    field(1, 8),
    field(8, Buffer.concat([field(1, ''), field(2, 17)])),
    field(7, Buffer.concat(graph)),
  ]);
}

/** A folder with the network and a manifest that names it. */
export function writeModel(folder: string, onnx: Uint8Array, size: number, maxSeconds = 600): void {
  mkdirSync(folder, { recursive: true });
  const manifest = JSON.parse(readFileSync(BUNDLED, 'utf8')) as Record<string, Record<string, unknown>>;
  const tensor = { num_channels: 1, spatial_shape: [size, size, size], dtype: 'float32' };
  const text = JSON.stringify({
    ...manifest,
    onnx: { ...manifest['onnx'], sha256: createHash('sha256').update(onnx).digest('hex') },
    network_data_format: { inputs: { image: tensor }, outputs: { brain: tensor } },
    limits: { ...manifest['limits'], max_seconds: maxSeconds },
  });
  writeFileSync(join(folder, 'model.onnx'), onnx);
  writeFileSync(join(folder, 'model.json'), text);
}
