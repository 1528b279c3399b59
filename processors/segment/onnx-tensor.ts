/** What an ONNX graph says of its inputs and outputs, and whether a manifest says the same. */
import { parseLayout } from './layout.ts';
import { type ModelManifest, type TensorFormat, tensorsOf } from './manifest.ts';
import { fieldsOf, payloadOf, textOf } from './protobuf.ts';
import { parseSize } from './spatial-shape.ts';

// Field numbers of onnx.proto3.
const VALUE_INFO = { name: 1, type: 2 } as const;
const TYPE = { tensorType: 1 } as const;
const TENSOR_TYPE = { elementType: 1, shape: 2 } as const;
const SHAPE = { dimension: 1 } as const;
const DIMENSION = { value: 1 } as const;
/** TensorProto.DataType */
const ELEMENT_TYPES: Readonly<Record<number, string>> = {
  1: 'float32', 2: 'uint8', 3: 'int8', 5: 'int16', 6: 'int32', 7: 'int64', 8: 'string', 9: 'bool', 10: 'float16', 11: 'float64', 16: 'bfloat16',
}; // prettier-ignore

export interface OnnxTensor {
  readonly name: string;
  /** As a manifest writes it; undefined when it is no dense tensor. */
  readonly dtype: string | undefined;
  /** Undefined when the file leaves the shape open; an axis is undefined when it may have any size. */
  readonly dims: readonly (number | undefined)[] | undefined;
}

/** @param bytes - a ValueInfoProto. @throws {NotAMessage} */
export function readTensorInfo(bytes: Uint8Array): OnnxTensor {
  let name = '';
  let dtype: string | undefined;
  let dims: (number | undefined)[] | undefined;
  for (const field of fieldsOf(bytes)) {
    if (field.number === VALUE_INFO.name) name = textOf(field);
    else if (field.number === VALUE_INFO.type)
      for (const type of fieldsOf(payloadOf(field)))
        if (type.number === TYPE.tensorType)
          for (const part of fieldsOf(payloadOf(type))) {
            if (part.number === TENSOR_TYPE.elementType)
              dtype = ELEMENT_TYPES[Number(part.value)] ?? `type ${String(part.value)}`;
            else if (part.number === TENSOR_TYPE.shape) dims = readShape(payloadOf(part));
          }
  }
  return { name, dtype, dims };
}

function readShape(bytes: Uint8Array): (number | undefined)[] {
  const dims: (number | undefined)[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number !== SHAPE.dimension) continue;
    let size: number | undefined;
    for (const part of fieldsOf(payloadOf(field))) if (part.number === DIMENSION.value) size = Number(part.value);
    dims.push(size !== undefined && size > 0 ? size : undefined);
  }
  return dims;
}

/** Sentences about where file and manifest differ; none when they agree. */
export function signatureProblems(
  manifest: ModelManifest,
  { inputs, outputs }: { readonly inputs: readonly OnnxTensor[]; readonly outputs: readonly OnnxTensor[] },
): readonly string[] {
  const { inputName, input, outputName, output } = tensorsOf(manifest);
  const given = inputs.find(({ name }) => name === inputName);
  const answer = outputs.find(({ name }) => name === outputName);
  return [
    ...(inputs.length > 1
      ? [`the network wants ${String(inputs.length)} inputs (${listOf(inputs)}); one is given`]
      : []),
    ...(given === undefined
      ? [`the network has no input ${JSON.stringify(inputName)}, but ${listOf(inputs)}`]
      : tensorProblems(`input ${inputName}`, manifest, input, given)),
    ...(answer === undefined
      ? [`the network has no output ${JSON.stringify(outputName)}, but ${listOf(outputs)}`]
      : tensorProblems(`output ${outputName}`, manifest, output, answer)),
  ];
}

function listOf(tensors: readonly OnnxTensor[]): string {
  return tensors.length === 0 ? 'none' : tensors.map(({ name }) => JSON.stringify(name.slice(0, 64))).join(', ');
}

function tensorProblems(
  what: string,
  manifest: ModelManifest,
  format: TensorFormat,
  { dtype, dims }: OnnxTensor,
): readonly string[] {
  const problems: string[] = [];
  if (dtype !== undefined && dtype !== format.dtype)
    problems.push(`${what} is ${dtype} in the network, ${format.dtype} in the manifest`);
  const layout = parseLayout(manifest.geometry.layout);
  if (dims === undefined || layout === undefined) return problems;
  const spatial = format.spatial_shape;
  const expected: (number | string)[] =
    layout.channels === 'first' ? [1, format.num_channels, ...spatial] : [1, ...spatial, format.num_channels];
  const fits = dims.length === expected.length && expected.every((size, axis) => doesFit(size, dims[axis]));
  if (!fits)
    problems.push(
      `${what} is [${dims.map((size) => size ?? '*').join(', ')}] in the network, [${expected.join(', ')}] in the manifest`,
    );
  return problems;
}

/** A network that takes one size only cannot be promised to take any. */
function doesFit(manifestSize: number | string, networkSize: number | undefined): boolean {
  const rule = parseSize(manifestSize);
  return networkSize === undefined || (rule?.kind === 'fixed' && rule.size === networkSize);
}
