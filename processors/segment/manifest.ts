/**
 * The manifest beside a model, `model.json`, schema `hub.model/1`: everything needed to feed the network and to read
 * its answer, as data. A superset of the `network_data_format` of a MONAI bundle. Every operation is from a closed list
 * that our code runs; a manifest holds no expressions.
 */
import * as z from 'zod';
import { parseLayout } from './layout.ts';
import { parseSize } from './spatial-shape.ts';

const code = z.object({ scheme: z.string().max(16), code: z.string().max(16), meaning: z.string().max(64).optional() });
const triple = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]);
const range = z.tuple([z.number().min(0), z.number().positive()]);
const species = z.string().regex(/^[a-z][a-z -]{0,31}$/, 'a species in lower-case letters, such as mouse');
const byte = z.int().min(0).max(255);

const size = z
  .union([z.int(), z.string().max(16)])
  .refine((value) => parseSize(value) !== undefined, 'a size is a number up to 1024, "*", "16*n", "2**p" or "2**p*n"');

/** Each is a series that is held in memory on one grid. */
const MAX_INPUT_CHANNELS = 8;

/** As MONAI has it; what is only for people to read (format, value_range, …) is left as it is. */
const tensor = z.looseObject({
  num_channels: z.int().min(1).max(64),
  /** In the order of the layout's letters. */
  spatial_shape: z.array(size).min(2).max(3),
  dtype: z.literal('float32'),
  is_patch_data: z.boolean().optional(),
  channel_def: z.record(z.string(), z.string()).optional(),
});

const networkDataFormat = z.looseObject({
  inputs: z.record(z.string().min(1).max(128), tensor),
  outputs: z.record(z.string().min(1).max(128), tensor),
});

const geometry = z.strictObject({
  layout: z.string().refine((value) => parseLayout(value) !== undefined, 'a layout such as NCXYZ, NXYZC or NCYX'),
  axes: z.enum(['RAS', 'scanner']),
  spacing_mm: triple.optional(),
  species_spacing_mm: z.record(species, triple).optional(),
  spacing_policy: z
    .string()
    .regex(/^(resample|native|reject>\d{1,3}%)$/, 'resample, native or reject>10%')
    .default('resample'),
  size_policy: z.literal('pad-crop-center').default('pad-crop-center'),
  window: z
    .discriminatedUnion('mode', [
      z.strictObject({
        mode: z.literal('whole'),
        passes: z.int().min(1).max(2).default(1),
        /** Of the grid: the second pass is so near, or so far, that what the first found fills this share of it. */
        fill: z.number().gt(0).lt(1).optional(),
      }),
      z.strictObject({ mode: z.literal('sliding'), overlap: z.number().min(0).max(0.9).default(0.5) }),
    ])
    .optional(),
  interpolation: z.literal('linear').default('linear'),
});

const intensity = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('none') }),
  z.strictObject({ op: z.literal('zscore'), mask: z.enum(['all', 'nonzero']).default('all') }),
  z.strictObject({
    op: z.literal('percentile'),
    lo: z.number().min(0).max(50).optional(),
    hi: z.number().min(50).max(100),
    above: z.number().min(0).max(1).optional(),
    clip: z.union([z.boolean(), z.number().positive()]).default(false),
  }),
  z.strictObject({ op: z.literal('minmax'), min: z.number().default(0), max: z.number().default(1) }),
  z.strictObject({ op: z.literal('clip'), min: z.number(), max: z.number() }),
]);

const postprocess = z.union([
  z.enum(['largest_component', 'fill_holes']),
  z.strictObject({ op: z.literal('remove_small'), min_mm3: z.number().positive() }),
]);

const decode = z.enum(['argmax', 'threshold']);
const output = z.strictObject({
  activation: z.enum(['softmax', 'sigmoid', 'none']),
  decode,
  threshold: z.number().gt(0).lt(1).default(0.5),
  /** Axes of the grid: the last pass is asked again for each combination of them turned round, and its answers averaged. */
  flips: z
    .array(z.enum(['x', 'y', 'z']))
    .max(3)
    .refine((axes) => new Set(axes).size === axes.length, 'each axis once')
    .default([]),
  postprocess: z.array(postprocess).max(8).default([]),
});

const label = z.strictObject({
  /** Its value in a label map. */
  index: z.int().min(1).max(255),
  name: z.string().min(1).max(64),
  category: code,
  type: code,
  rgb: z.tuple([byte, byte, byte]),
  /** Output channels that are it, all together; without it the channel of its index. */
  channels: z.array(z.int().min(0).max(63)).min(1).optional(),
  /** Instead of the output's. */
  decode: decode.optional(),
});

/** Below these a mask is called unreliable; what is not given is the hub's default. */
const reliability = z.strictObject({
  min_probability: z.number().min(0).max(1).optional(),
  max_entropy: z.number().min(0).optional(),
  min_agreement: z.number().min(0).max(1).optional(),
  max_at_edge: z.number().min(0).max(1).optional(),
  volume_mm3: z.record(species, range).optional(),
});

export const modelManifestSchema = z
  .looseObject({
    schema: z.literal('hub.model/1'),
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'lower-case letters, digits and hyphens'),
    version: z.string().min(1).max(32),
    onnx: z.strictObject({
      file: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.onnx$/, 'the name of an .onnx file in the same folder'),
      sha256: z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 in lower-case hex'),
      opset_max: z.int().min(1),
    }),
    task: z.literal('segmentation'),
    intended_use: z.string().min(1).max(500),
    license: z.string().min(1).max(200),
    copyright: z.string().max(500).optional(),
    species: z.array(species).min(1).max(16),
    modality: z.literal('MR'),
    /** What the model is for; without it every contrast is taken. */
    contrasts: z.array(z.string().min(1).max(32)).min(1).max(32).optional(),
    network_data_format: networkDataFormat,
    geometry,
    intensity: z.array(intensity).max(8).default([]),
    output,
    labels: z.tuple([label], label).refine((all) => all.length <= 64, 'at most 64 labels'),
    limits: z.strictObject({
      /** For one answer of the network. */
      max_seconds: z.number().positive().max(3600),
      /** Of the whole process that holds it. */
      max_rss_mb: z.number().min(256).max(65_536),
    }),
    reliability: reliability.optional(),
  })
  .superRefine(crossCheck);
export type ModelManifest = z.infer<typeof modelManifestSchema>;
export type Label = ModelManifest['labels'][number];
export type TensorFormat = z.infer<typeof tensor>;
export type IntensityStep = z.infer<typeof intensity>;
export type PostprocessStep = z.infer<typeof postprocess>;

/** The one input and the one output. The schema has seen that they are there. */
export function tensorsOf(manifest: Pick<ModelManifest, 'network_data_format'>): {
  readonly inputName: string;
  readonly input: TensorFormat;
  readonly outputName: string;
  readonly output: TensorFormat;
} {
  const { inputs, outputs } = manifest.network_data_format;
  const [[inputName, input] = []] = Object.entries(inputs);
  const [[outputName, output] = []] = Object.entries(outputs);
  if (inputName === undefined || input === undefined || outputName === undefined || output === undefined)
    throw new TypeError('a manifest has one input and one output');
  return { inputName, input, outputName, output };
}

/** The output channels a label is made of. */
export function channelsOf(given: Label, channels: number): readonly number[] {
  return given.channels ?? [channels === 1 ? 0 : given.index];
}

interface Unchecked {
  readonly network_data_format: z.infer<typeof networkDataFormat>;
  readonly geometry: z.infer<typeof geometry>;
  readonly labels: readonly Label[];
  readonly output: z.infer<typeof output>;
}

/** What one key says must fit what another says. */
function crossCheck(manifest: Unchecked, context: z.RefinementCtx): void {
  const report = (path: readonly (string | number)[], message: string): void => {
    context.addIssue({ code: 'custom', path: [...path], message });
  };
  const { network_data_format: format, geometry: given, labels, output: answer } = manifest;
  for (const side of ['inputs', 'outputs'] as const)
    if (Object.keys(format[side]).length !== 1)
      report(['network_data_format', side], 'one tensor: models with several are not run');
  const [[inputName, input] = []] = Object.entries(format.inputs);
  const [[outputName, out] = []] = Object.entries(format.outputs);
  if (input === undefined || out === undefined || inputName === undefined || outputName === undefined) return;

  if (input.num_channels !== 1) {
    const path = ['network_data_format', 'inputs', inputName];
    const contrasts = Object.entries(input.channel_def ?? {});
    const names = contrasts.map(([, contrast]) => contrast.toLowerCase());
    const isComplete = contrasts.every(
      ([channel]) => /^\d{1,2}$/.test(channel) && Number(channel) < input.num_channels,
    );
    if (contrasts.length !== input.num_channels || !isComplete || new Set(names).size !== names.length)
      report(
        [...path, 'channel_def'],
        `a contrast of its own for each of the channels 0 to ${String(input.num_channels - 1)}, such as { "0": "T1w", "1": "T2w" }: by them series are chosen`,
      );
    else if (names.some((name) => !/^[a-z0-9*]{1,32}$/.test(name)))
      report([...path, 'channel_def'], 'a contrast is one word, such as T1w, T2w, T2starw, PDw, FLAIR or DWI');
    if (input.num_channels > MAX_INPUT_CHANNELS)
      report([...path, 'num_channels'], `at most ${String(MAX_INPUT_CHANNELS)}: each is a series of the study`);
  }
  const letters = parseLayout(given.layout)?.spatial.length;
  for (const [side, name, each] of [
    ['inputs', inputName, input],
    ['outputs', outputName, out],
  ] as const)
    if (letters !== undefined && each.spatial_shape.length !== letters)
      report(
        ['network_data_format', side, name, 'spatial_shape'],
        `the layout ${given.layout} has ${String(letters)} spatial axes`,
      );
  if (given.window?.mode === 'whole' && given.window.fill !== undefined) {
    if (given.window.passes < 2) report(['geometry', 'window', 'fill'], 'needs passes: 2');
    if (given.spacing_policy !== 'resample')
      report(['geometry', 'window', 'fill'], `needs spacing_policy resample, not ${given.spacing_policy}`);
  }
  if (given.spacing_policy !== 'native' && given.spacing_mm === undefined)
    report(['geometry', 'spacing_mm'], `needed for spacing_policy ${given.spacing_policy}`);
  const indices = labels.map(({ index }) => index);
  labels.forEach((each, position) => {
    if (indices.indexOf(each.index) !== position) report(['labels', position, 'index'], 'another label has this index');
    for (const channel of channelsOf(each, out.num_channels))
      if (channel >= out.num_channels)
        report(
          ['labels', position, each.channels === undefined ? 'index' : 'channels'],
          `the output has channels 0 to ${String(out.num_channels - 1)}: say in channels which of them it is`,
        );
    if ((each.decode ?? answer.decode) === 'argmax' && out.num_channels === 1)
      report(['output', 'decode'], 'one channel has no largest: use threshold');
  });
}
