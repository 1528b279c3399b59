/**
 * The manifest beside a model, `model.json`, schema `hub.model/1`: everything needed to feed the network and to read
 * its answer, as data. Every operation is from a closed list that our code runs; a manifest holds no expressions.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';

const code = z.object({ scheme: z.string().max(16), code: z.string().max(16), meaning: z.string().max(64).optional() });
const triple = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]);
/** A closed grammar of sizes belongs here once a model needs one; the bundled models have fixed sizes. */
const fixedSize = z.int().min(1).max(1024);

const tensor = z.object({
  num_channels: z.int().min(1).max(64),
  spatial_shape: z.tuple([fixedSize, fixedSize, fixedSize]),
  dtype: z.literal('float32'),
  channel_def: z.record(z.string(), z.string()).optional(),
});

const label = z.object({
  index: z.int().min(1).max(255),
  name: z.string().max(64),
  category: code,
  type: code,
  rgb: z.tuple([z.int(), z.int(), z.int()]),
});

export const modelManifestSchema = z.object({
  schema: z.literal('hub.model/1'),
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  version: z.string().max(32),
  onnx: z.object({
    file: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.onnx$/),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    opset_max: z.int(),
  }),
  task: z.literal('segmentation'),
  intended_use: z.string(),
  license: z.string(),
  species: z.array(z.enum(['mouse', 'rat', 'human'])).min(1),
  modality: z.literal('MR'),
  network_data_format: z.object({
    inputs: z.record(z.string(), tensor),
    outputs: z.record(z.string(), tensor),
  }),
  geometry: z.object({
    layout: z.literal('NCXYZ'),
    axes: z.literal('RAS'),
    spacing_mm: triple,
    species_spacing_mm: z.partialRecord(z.enum(['mouse', 'rat', 'human']), triple).optional(),
  }),
  intensity: z.tuple([
    z.object({
      op: z.literal('percentile'),
      hi: z.number().min(50).max(100),
      above: z.number().min(0).max(1),
      clip: z.number().positive(),
    }),
  ]),
  output: z.object({
    activation: z.enum(['softmax', 'none']),
    decode: z.literal('threshold'),
    threshold: z.number().gt(0).lt(1),
    postprocess: z.array(z.enum(['largest_component', 'fill_holes'])),
  }),
  labels: z.tuple([label], label),
  limits: z.object({ max_seconds: z.number().positive().max(3600), max_rss_mb: z.number().positive() }),
});
export type ModelManifest = z.infer<typeof modelManifestSchema>;

/** A model as a step carries it: read and checked once, at start. */
export interface Model {
  readonly manifest: ModelManifest;
  /** Absolute path of the ONNX file. */
  readonly file: string;
}

/**
 * Reads `model.json` and checks that the ONNX file beside it is the one the manifest names.
 *
 * @throws {HubError} `model.invalid`
 */
export function readModel(folder: string): Model {
  const manifest = parseManifest(readText(join(folder, 'model.json')));
  const file = join(folder, manifest.onnx.file);
  const sha256 = createHash('sha256').update(readBytes(file)).digest('hex');
  if (sha256 !== manifest.onnx.sha256) {
    throw new HubError('model.invalid', {
      model: manifest.name,
      detail: `${manifest.onnx.file} is not the file the manifest names: its SHA-256 is ${sha256}`,
    });
  }
  return { manifest, file };
}

function parseManifest(text: string): ModelManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new HubError('model.invalid', { detail: 'model.json is not JSON' }, error);
  }
  const parsed = modelManifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new HubError('model.invalid', {
    detail: `model.json /${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'not valid'}`,
  });
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new HubError('model.invalid', { detail: `${file} cannot be read` }, error);
  }
}

function readText(file: string): string {
  return Buffer.from(readBytes(file)).toString('utf8');
}
