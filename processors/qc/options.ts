/** What a site asks of its scans: floors and ceilings per kind of scan and measure. */
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import type { VolumeKind } from '../volumes/volume.ts';

const KINDS = ['anatomical', 'diffusion', 'functional', 'mapping', 'phantom', 'unknown', 'any'] as const;
const MEASURES = [
  'snr_chang_db',
  'snr_normal_db',
  'tsnr_db',
  'tsnr',
  'lmv',
  'gmv',
  'efc',
  'ghosting',
  'ghost_to_signal',
  'drop_out_fraction',
  'clipped_fraction',
  'slices',
  'repetitions',
] as const;

const limit = z.strictObject({
  warnBelow: z.number().optional(),
  failBelow: z.number().optional(),
  warnAbove: z.number().optional(),
  failAbove: z.number().optional(),
});
const limits = z.partialRecord(z.enum(KINDS), z.partialRecord(z.enum(MEASURES), limit));
const schema = z.strictObject({
  /** By kind of scan, `any` for all; then by measure. */
  limits: limits.default({}),
});

export type Limit = z.infer<typeof limit>;
export interface QcOptions {
  readonly limits: z.infer<typeof limits>;
}

/** @param argument - of the step: nothing, or `{ limits: … }` @throws {HubError} `config.invalid` */
export function parseQcOptions(argument: unknown): QcOptions {
  const parsed = schema.safeParse(argument ?? {});
  if (parsed.success) return parsed.data;
  throw new HubError('config.invalid', { detail: z.prettifyError(parsed.error).replaceAll('\n', ' ') });
}

/** Limits for one kind of scan; its own before those for any. */
export function limitsFor(options: QcOptions, kind: VolumeKind): ReadonlyMap<string, Limit> {
  return new Map([...Object.entries(options.limits.any ?? {}), ...Object.entries(options.limits[kind] ?? {})]);
}
