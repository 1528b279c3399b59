/**
 * Looks at an ONNX file before the native parser does: is it one, and does it hold only what a segmentation network
 * needs? Reads the protobuf wire format (onnx.proto3, IR version 4 and later) just far enough to say so.
 *
 * Refused: anything that is not a ModelProto with a graph; tensors stored outside the file (loaded from bytes, the
 * run-time reads them from its working directory: the content of any file would come out of the output tensor);
 * operator domains other than ONNX's own; control flow, which can run for ever.
 */
import { HubError } from '../../core/errors.ts';

const ALLOWED_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml']);
const REFUSED_OPERATORS: ReadonlySet<string> = new Set(['Loop', 'Scan', 'If']);
/** Node → attribute → sub-graph → node …; deeper is not a network but an attack. */
const MAX_DEPTH = 32;

// Field numbers of onnx.proto3.
const MODEL = { graph: 7, opsetImport: 8, trainingInfo: 20, functions: 25 } as const;
const TRAINING = { initialization: 1, algorithm: 2 } as const;
const OPSET = { domain: 1, version: 2 } as const;
const GRAPH = { node: 1, initializer: 5, sparseInitializer: 15 } as const;
const FUNCTION = { node: 7, opsetImport: 9, attributeProto: 11 } as const;
const NODE = { opType: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11, sparseTensor: 22, sparseTensors: 23 } as const;
const SPARSE = { values: 1, indices: 2 } as const;
const TENSOR = { externalData: 13, dataLocation: 14 } as const;
const DATA_LOCATION_EXTERNAL = 1;

export interface OnnxSummary {
  /** Highest version of the default operator set. */
  readonly opset: number;
  readonly operators: ReadonlySet<string>;
}

/**
 * @param bytes - the whole file
 * @throws {HubError} `model.invalid` with what was found
 */
export function inspectOnnx(bytes: Uint8Array): OnnxSummary {
  const operators = new Set<string>();
  let opset = 0;
  let graphs = 0;
  for (const field of fields(bytes)) {
    if (field.number === MODEL.graph) {
      graphs += 1;
      inspectGraph(payload(field), operators, 0);
    } else if (field.number === MODEL.opsetImport) {
      opset = Math.max(opset, inspectOpset(payload(field)));
    } else if (field.number === MODEL.functions) {
      inspectFunction(payload(field), operators);
    } else if (field.number === MODEL.trainingInfo) {
      for (const part of fields(payload(field)))
        if (part.number === TRAINING.initialization || part.number === TRAINING.algorithm)
          inspectGraph(payload(part), operators, 1);
    }
  }
  if (graphs !== 1 || opset === 0 || operators.size === 0) throw refused('it is not an ONNX model');
  return { opset, operators };
}

/** Its attributes have defaults, with tensors and graphs in them like any other. */
function inspectFunction(bytes: Uint8Array, operators: Set<string>): void {
  for (const field of fields(bytes)) {
    if (field.number === FUNCTION.node) inspectNode(payload(field), operators, 1);
    else if (field.number === FUNCTION.opsetImport) inspectOpset(payload(field));
    else if (field.number === FUNCTION.attributeProto) inspectAttribute(payload(field), operators, 1);
  }
}

function inspectOpset(bytes: Uint8Array): number {
  let domain = '';
  let version = 0;
  for (const field of fields(bytes)) {
    if (field.number === OPSET.domain) domain = text(payload(field));
    else if (field.number === OPSET.version) version = Number(field.value);
  }
  if (!ALLOWED_DOMAINS.has(domain))
    throw refused(`it needs the operator set ${printable(domain)}, which is not allowed`);
  return domain === 'ai.onnx.ml' ? 0 : version;
}

function inspectGraph(bytes: Uint8Array, operators: Set<string>, depth: number): void {
  if (depth > MAX_DEPTH) throw refused('its graphs are nested too deep');
  for (const field of fields(bytes)) {
    if (field.number === GRAPH.node) inspectNode(payload(field), operators, depth);
    else if (field.number === GRAPH.initializer) inspectTensor(payload(field));
    else if (field.number === GRAPH.sparseInitializer) inspectSparse(payload(field));
  }
}

function inspectNode(bytes: Uint8Array, operators: Set<string>, depth: number): void {
  let operator = '';
  for (const field of fields(bytes)) {
    if (field.number === NODE.opType) operator = text(payload(field));
    else if (field.number === NODE.domain) {
      const domain = text(payload(field));
      if (!ALLOWED_DOMAINS.has(domain))
        throw refused(`it uses an operator of ${printable(domain)}, which is not allowed`);
    } else if (field.number === NODE.attribute) inspectAttribute(payload(field), operators, depth);
  }
  if (REFUSED_OPERATORS.has(operator)) throw refused(`it uses ${operator}, which can run for ever`);
  operators.add(operator);
}

function inspectAttribute(bytes: Uint8Array, operators: Set<string>, depth: number): void {
  for (const field of fields(bytes)) {
    if (field.number === ATTRIBUTE.tensor || field.number === ATTRIBUTE.tensors) inspectTensor(payload(field));
    else if (field.number === ATTRIBUTE.graph || field.number === ATTRIBUTE.graphs)
      inspectGraph(payload(field), operators, depth + 1);
    else if (field.number === ATTRIBUTE.sparseTensor || field.number === ATTRIBUTE.sparseTensors)
      inspectSparse(payload(field));
  }
}

function inspectSparse(bytes: Uint8Array): void {
  for (const field of fields(bytes))
    if (field.number === SPARSE.values || field.number === SPARSE.indices) inspectTensor(payload(field));
}

function inspectTensor(bytes: Uint8Array): void {
  for (const field of fields(bytes)) {
    const isExternal =
      field.number === TENSOR.externalData ||
      (field.number === TENSOR.dataLocation && Number(field.value) === DATA_LOCATION_EXTERNAL);
    if (isExternal) throw refused('it keeps weights in another file');
  }
}

interface Field {
  readonly number: number;
  /** Varint value, or the payload of a length-delimited field. */
  readonly value: bigint | Uint8Array;
}

/** The fields of one message, protobuf encoding guide: tag = number << 3 | wire type. */
function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw refused('it is cut off or not an ONNX model');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw refused('it is not an ONNX model');
  };
  const take = (length: bigint): Uint8Array => {
    if (length > BigInt(bytes.length - at)) throw refused('it is cut off or not an ONNX model');
    const part = bytes.subarray(at, at + Number(length));
    at += Number(length);
    return part;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (number === 0) throw refused('it is not an ONNX model');
    if (wireType === 0) yield { number, value: varint() };
    else if (wireType === 1) yield { number, value: take(8n) };
    else if (wireType === 2) yield { number, value: take(varint()) };
    else if (wireType === 5) yield { number, value: take(4n) };
    else throw refused('it is not an ONNX model');
  }
}

function payload(field: Field): Uint8Array {
  if (typeof field.value === 'bigint') throw refused('it is not an ONNX model');
  return field.value;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

/** A name out of an untrusted file, fit for a log line. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}

function refused(detail: string): HubError {
  return new HubError('model.invalid', { detail });
}
