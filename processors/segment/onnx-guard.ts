/**
 * Looks at an ONNX file before the native parser does: is it one, and does it hold only what a segmentation network
 * needs? Reads the protobuf wire format (onnx.proto3, IR version 4 and later) just far enough to say so.
 *
 * Refused: anything that is not a ModelProto with a graph; tensors stored outside the file (loaded from bytes, the
 * run-time reads them from its working directory: the content of any file would come out of the output tensor);
 * operator domains other than ONNX's own; control flow, which can run for ever; a graph compiled for one run-time.
 */
import { HubError } from '../../core/errors.ts';
import { fieldsOf, type Field, NotAMessage, payloadOf, textOf } from './protobuf.ts';
import { type OnnxTensor, readTensorInfo } from './onnx-tensor.ts';

/** What an administrator may allow a model beside what is always allowed. */
export const ALLOWANCES = ['control-flow', 'com.microsoft'] as const;
export type Allowance = (typeof ALLOWANCES)[number];

/** A network for whole-body volumes has a tenth of this; the file is held in memory, twice. */
export const MAX_FILE_BYTES = 200 * 1024 * 1024;
const ALLOWED_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml']);
const CONTROL_FLOW: ReadonlySet<string> = new Set(['Loop', 'Scan', 'If', 'SequenceMap']);
/** Node → attribute → sub-graph → node …; deeper is not a network but an attack. */
const MAX_DEPTH = 32;
/** Where a FlatBuffer has its identifier; ONNX Runtime's own format has this one. */
const ORT_IDENTIFIER = 'ORTM';

// Field numbers of onnx.proto3.
const MODEL = { graph: 7, opsetImport: 8, trainingInfo: 20, functions: 25 } as const;
const TRAINING = { initialization: 1, algorithm: 2 } as const;
const OPSET = { domain: 1, version: 2 } as const;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, sparseInitializer: 15 } as const;
const FUNCTION = { node: 7, opsetImport: 9, attributeProto: 11 } as const;
const NODE = { opType: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { tensor: 5, graph: 6, tensors: 10, graphs: 11, sparseTensor: 22, sparseTensors: 23 } as const;
const SPARSE = { values: 1, indices: 2 } as const;
const TENSOR = { name: 8, externalData: 13, dataLocation: 14 } as const;
const DATA_LOCATION_EXTERNAL = 1;

export interface OnnxSummary {
  /** Highest version of the default operator set. */
  readonly opset: number;
  readonly operators: ReadonlySet<string>;
  /** What the graph asks for, without its weights. */
  readonly inputs: readonly OnnxTensor[];
  readonly outputs: readonly OnnxTensor[];
}

/**
 * @param bytes - the whole file
 * @param allow - what is let through that is not by itself
 * @throws {HubError} `model.invalid` with what was found
 */
export function inspectOnnx(bytes: Uint8Array, allow: readonly Allowance[] = []): OnnxSummary {
  if (bytes.length > MAX_FILE_BYTES)
    throw refused(`it has ${String(Math.round(bytes.length / 2 ** 20))} MiB; at most 200 are loaded`);
  if (Buffer.from(bytes.subarray(4, 8)).toString('latin1') === ORT_IDENTIFIER)
    throw refused('it is in the format of one run-time (ORT), which cannot be inspected: bring the ONNX file');
  try {
    return new Inspection(new Set(allow)).model(bytes);
  } catch (error) {
    if (error instanceof NotAMessage) throw refused('it is cut off or not an ONNX model');
    throw error;
  }
}

class Inspection {
  readonly #operators = new Set<string>();
  readonly #allow: ReadonlySet<Allowance>;

  constructor(allow: ReadonlySet<Allowance>) {
    this.#allow = allow;
  }

  model(bytes: Uint8Array): OnnxSummary {
    let opset = 0;
    let main: Uint8Array | undefined;
    let graphs = 0;
    for (const field of fieldsOf(bytes)) {
      if (field.number === MODEL.graph) {
        graphs += 1;
        main = payloadOf(field);
        this.#graph(main, 0);
      } else if (field.number === MODEL.opsetImport) opset = Math.max(opset, this.#opset(payloadOf(field)));
      else if (field.number === MODEL.functions) this.#function(payloadOf(field));
      else if (field.number === MODEL.trainingInfo) this.#training(payloadOf(field));
    }
    if (graphs !== 1 || main === undefined || opset === 0 || this.#operators.size === 0)
      throw refused('it is not an ONNX model');
    return { opset, operators: this.#operators, ...signatureOf(main) };
  }

  #training(bytes: Uint8Array): void {
    for (const field of fieldsOf(bytes))
      if (field.number === TRAINING.initialization || field.number === TRAINING.algorithm)
        this.#graph(payloadOf(field), 1);
  }

  /** Its attributes have defaults, with tensors and graphs in them like any other. */
  #function(bytes: Uint8Array): void {
    for (const field of fieldsOf(bytes)) {
      if (field.number === FUNCTION.node) this.#node(payloadOf(field), 1);
      else if (field.number === FUNCTION.opsetImport) this.#opset(payloadOf(field));
      else if (field.number === FUNCTION.attributeProto) this.#attribute(payloadOf(field), 1);
    }
  }

  #opset(bytes: Uint8Array): number {
    let domain = '';
    let version = 0;
    for (const field of fieldsOf(bytes)) {
      if (field.number === OPSET.domain) domain = textOf(field);
      else if (field.number === OPSET.version) version = Number(field.value);
    }
    if (!this.#allows(domain)) throw refused(`it needs the operator set ${printable(domain)}, which is not allowed`);
    return domain === '' || domain === 'ai.onnx' ? version : 0;
  }

  #allows(domain: string): boolean {
    return ALLOWED_DOMAINS.has(domain) || (domain === 'com.microsoft' && this.#allow.has('com.microsoft'));
  }

  #graph(bytes: Uint8Array, depth: number): void {
    if (depth > MAX_DEPTH) throw refused('its graphs are nested too deep');
    for (const field of fieldsOf(bytes)) {
      if (field.number === GRAPH.node) this.#node(payloadOf(field), depth);
      else if (field.number === GRAPH.initializer) inspectTensor(payloadOf(field));
      else if (field.number === GRAPH.sparseInitializer) inspectSparse(payloadOf(field));
    }
  }

  #node(bytes: Uint8Array, depth: number): void {
    let operator = '';
    for (const field of fieldsOf(bytes)) {
      if (field.number === NODE.opType) operator = textOf(field);
      else if (field.number === NODE.domain) {
        const domain = textOf(field);
        if (!this.#allows(domain)) throw refused(`it uses an operator of ${printable(domain)}, which is not allowed`);
      } else if (field.number === NODE.attribute) this.#attribute(payloadOf(field), depth);
    }
    // Not even with com.microsoft: it names files of its own that the run-time loads.
    if (operator === 'EPContext')
      throw refused('it holds a graph compiled for one device (EPContext), which cannot be inspected');
    if (CONTROL_FLOW.has(operator) && !this.#allow.has('control-flow'))
      throw refused(`it uses ${operator}, which can run for ever`);
    this.#operators.add(operator);
  }

  #attribute(bytes: Uint8Array, depth: number): void {
    for (const field of fieldsOf(bytes)) {
      if (isOneOf(field, ATTRIBUTE.tensor, ATTRIBUTE.tensors)) inspectTensor(payloadOf(field));
      else if (isOneOf(field, ATTRIBUTE.graph, ATTRIBUTE.graphs)) this.#graph(payloadOf(field), depth + 1);
      else if (isOneOf(field, ATTRIBUTE.sparseTensor, ATTRIBUTE.sparseTensors)) inspectSparse(payloadOf(field));
    }
  }
}

function isOneOf(field: Field, ...numbers: readonly number[]): boolean {
  return numbers.includes(field.number);
}

function inspectSparse(bytes: Uint8Array): void {
  for (const field of fieldsOf(bytes))
    if (isOneOf(field, SPARSE.values, SPARSE.indices)) inspectTensor(payloadOf(field));
}

function inspectTensor(bytes: Uint8Array): void {
  for (const field of fieldsOf(bytes)) {
    const isExternal =
      field.number === TENSOR.externalData ||
      (field.number === TENSOR.dataLocation && Number(field.value) === DATA_LOCATION_EXTERNAL);
    if (isExternal) throw refused('it keeps weights in another file');
  }
}

/** Before IR version 4 every weight was listed among the inputs too. */
function signatureOf(graph: Uint8Array): Pick<OnnxSummary, 'inputs' | 'outputs'> {
  const inputs: OnnxTensor[] = [];
  const outputs: OnnxTensor[] = [];
  const weights = new Set<string>();
  for (const field of fieldsOf(graph)) {
    if (field.number === GRAPH.input) inputs.push(readTensorInfo(payloadOf(field)));
    else if (field.number === GRAPH.output) outputs.push(readTensorInfo(payloadOf(field)));
    else if (field.number === GRAPH.initializer)
      for (const part of fieldsOf(payloadOf(field))) if (part.number === TENSOR.name) weights.add(textOf(part));
  }
  return { inputs: inputs.filter(({ name }) => !weights.has(name)), outputs };
}

/** A name out of an untrusted file, fit for a log line. */
function printable(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}

function refused(detail: string): HubError {
  return new HubError('model.invalid', { detail });
}
