/** A model's folder: `model.json`, the ONNX file it names, and perhaps the `configs/metadata.json` of a MONAI bundle. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { HubError, toHubError } from '../../core/errors.ts';
import { type ModelManifest, modelManifestSchema } from './manifest.ts';
import { type Allowance, inspectOnnx, MAX_FILE_BYTES, type OnnxSummary } from './onnx-guard.ts';
import { signatureProblems } from './onnx-tensor.ts';

/** A model as a step carries it: read and checked once, at start. */
export interface Model {
  readonly manifest: ModelManifest;
  /** Of `model.json`, with the bundle's metadata when that was read. */
  readonly manifestSha256: string;
  /** Absolute path of the ONNX file. */
  readonly file: string;
  readonly allow: readonly Allowance[];
}

/** What a look into a model's folder found: all mistakes at once, each with its place. */
export interface ModelCheck {
  /** When it is usable. */
  readonly model?: Model;
  readonly network?: OnnxSummary;
  readonly problems: readonly ModelProblem[];
  /** Sentences about what is allowed and perhaps not meant. */
  readonly notes: readonly string[];
}

export interface ModelProblem {
  /** `model.json /geometry/spacing_mm`, or the name of a file. */
  readonly where: string;
  readonly what: string;
}

const MANIFEST = 'model.json';
const METADATA = 'configs/metadata.json';
const MAX_JSON_BYTES = 4 * 1024 * 1024;
/** Of a MONAI bundle only the description of the tensors is taken; its configuration is a program and is never run. */
const bundleMetadata = z.looseObject({ network_data_format: z.record(z.string(), z.unknown()) });

/**
 * Reads a model and checks that the ONNX file is the one its manifest names and what the manifest says of it.
 *
 * @throws {HubError} `model.invalid` with the first mistake
 */
export function readModel(folder: string, allow: readonly Allowance[] = []): Model {
  const { model, problems } = checkModel(folder, allow);
  const [first] = problems;
  if (first !== undefined || model === undefined)
    throw new HubError('model.invalid', { detail: first === undefined ? folder : `${first.where}: ${first.what}` });
  return model;
}

/** Says all that is wrong with a model's folder. Never throws for what is in it. */
export function checkModel(folder: string, allow: readonly Allowance[] = []): ModelCheck {
  const parsed = readManifest(folder);
  if (!('manifest' in parsed)) return { problems: parsed.problems, notes: [] };
  const { manifest, manifestSha256 } = parsed;
  const file = join(folder, manifest.onnx.file);
  const inFile = (what: string): ModelProblem => ({ where: manifest.onnx.file, what });
  let bytes: Uint8Array;
  let network: OnnxSummary;
  try {
    bytes = readBounded(file, MAX_FILE_BYTES);
    network = inspectOnnx(bytes, allow);
  } catch (error) {
    return { problems: [inFile(detailOf(error))], notes: [] };
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const problems = [
    ...(sha256 === manifest.onnx.sha256
      ? []
      : [inFile(`is not the file the manifest names: its SHA-256 is ${sha256}`)]),
    ...(network.opset <= manifest.onnx.opset_max
      ? []
      : [
          inFile(`needs operator set ${String(network.opset)}, its manifest allows ${String(manifest.onnx.opset_max)}`),
        ]),
    ...signatureProblems(manifest, network).map(inFile),
  ];
  const model: Model = { manifest, manifestSha256, file, allow };
  return { ...(problems.length === 0 ? { model } : {}), network, problems, notes: notesOn(manifest) };
}

type ReadManifest =
  | { readonly manifest: ModelManifest; readonly manifestSha256: string }
  | { readonly problems: readonly ModelProblem[] };

function readManifest(folder: string): ReadManifest {
  const digest = createHash('sha256');
  let where = MANIFEST;
  try {
    const text = readBounded(join(folder, MANIFEST), MAX_JSON_BYTES);
    digest.update(text);
    let json = parseJson(text);
    if (isRecord(json) && json['network_data_format'] === undefined && existsSync(join(folder, METADATA))) {
      where = METADATA;
      const metadata = readBounded(join(folder, METADATA), MAX_JSON_BYTES);
      digest.update('\n').update(metadata);
      json = { ...json, ...pick(bundleMetadata.safeParse(parseJson(metadata))) };
      where = MANIFEST;
    }
    const parsed = modelManifestSchema.safeParse(json);
    if (parsed.success) return { manifest: parsed.data, manifestSha256: digest.digest('hex') };
    return {
      problems: parsed.error.issues.map(({ path, message }) => ({
        where: `${MANIFEST} /${path.join('/')}`,
        what: message,
      })),
    };
  } catch (error) {
    return { problems: [{ where, what: detailOf(error) }] };
  }
}

function pick(parsed: z.ZodSafeParseResult<z.infer<typeof bundleMetadata>>): Record<string, unknown> {
  if (!parsed.success) throw new HubError('model.invalid', { detail: 'has no network_data_format' });
  return { network_data_format: parsed.data.network_data_format };
}

/** What no rule forbids and somebody may not have meant. */
function notesOn(manifest: ModelManifest): readonly string[] {
  const [output] = Object.values(manifest.network_data_format.outputs);
  const claimed = new Set(manifest.labels.flatMap(({ index, channels }) => channels ?? [index]));
  const silent = Array.from({ length: output?.num_channels ?? 0 }, (_, n) => n).filter(
    (channel) => channel > 0 && !claimed.has(channel),
  );
  return [
    ...(silent.length > 0 && manifest.output.activation !== 'sigmoid'
      ? [`no label has output channel ${silent.join(', ')}: what the network finds there is not shown`]
      : []),
    ...(manifest.contrasts === undefined ? ['contrasts are not named: series of every contrast are given to it'] : []),
  ];
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new HubError('model.invalid', { detail: 'is not JSON' }, error);
  }
}

/** @throws {HubError} `model.invalid` when it cannot be read or is larger; its length is asked before its bytes */
export function readBounded(file: string, maxBytes: number): Uint8Array {
  try {
    const { size } = statSync(file);
    if (size > maxBytes)
      throw new HubError('model.invalid', {
        detail: `has ${String(Math.ceil(size / 2 ** 20))} MiB; at most ${String(maxBytes / 2 ** 20)} are read`,
      });
    return readFileSync(file);
  } catch (error) {
    if (error instanceof HubError) throw error;
    throw new HubError('model.invalid', { detail: 'cannot be read' }, error);
  }
}

function detailOf(error: unknown): string {
  const known = toHubError(error);
  if (known.code !== 'model.invalid') throw error;
  return String(known.fields['detail']);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
