/** What a site asks of its scans: floors and ceilings per kind of scan and measure, references of protocols, how history counts. */
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import type { VolumeKind } from '../volumes/volume.ts';
import { MEASURES } from './measures.ts';
import { QUALITY_OUTPUTS } from './outputs.ts';
import { PARAMETERS } from './protocol.ts';

const KINDS = ['anatomical', 'diffusion', 'functional', 'mapping', 'phantom', 'unknown', 'any'] as const;
const kind = z.enum(KINDS);

const limit = z.strictObject({
  warnBelow: z.number().optional(),
  failBelow: z.number().optional(),
  warnAbove: z.number().optional(),
  failAbove: z.number().optional(),
});
const limits = z.partialRecord(kind, z.partialRecord(z.enum([...MEASURES.keys()]), limit));

const protocol = z.strictObject({
  /** Against ProtocolName or SeriesDescription; `*` stands for anything. */
  match: z.string().min(1).max(128),
  /** What its scans are set to. */
  parameters: z.partialRecord(z.enum(Object.keys(PARAMETERS)), z.union([z.number(), z.string().max(64)])).default({}),
  /** Scans of it that every study has. */
  series: z.int().min(0).max(100).default(0),
});

const history = z
  .strictObject({
    /** Accepted scans of the same scanner and protocol before one is judged by them. */
    minimum: z.int().min(5).max(1_000).default(20),
    /** The newest that count. */
    last: z.int().min(5).max(1_000).default(100),
    /** Robust standard deviations from their median. */
    warnZ: z.number().min(1).max(100).default(3.5),
    failZ: z.number().min(1).max(1_000).default(7),
  })
  .refine(({ minimum, last }) => last >= minimum, 'last is less than minimum')
  .refine(({ warnZ, failZ }) => failZ >= warnZ, 'failZ is less than warnZ');

const schema = z.strictObject({
  /** By kind of scan, `any` for all; then by measure. */
  limits: limits.default({}),
  /** `fail`: a study that fails is held in quarantine instead of going on; nothing else is. */
  hold: z.enum(['never', 'fail']).default('never'),
  /** `aidaqc`: features as that tool computes them where they differ. */
  mode: z.enum(['hub', 'aidaqc']).default('hub'),
  history: history.prefault({}),
  protocols: z.array(protocol).max(100).default([]),
  /** On which rotations are measured; otherwise by species, or by the size of the head. */
  fdRadiusMm: z.number().positive().max(200).optional(),
  /** What is made for readers beside the report in JSON and the contact sheets. */
  outputs: z.array(z.enum(QUALITY_OUTPUTS)).default([]),
});

export type Limit = z.infer<typeof limit>;
export type QcOptions = z.infer<typeof schema>;

/** @param argument - of the step: nothing, or `{ limits: … }` @throws {HubError} `config.invalid` */
export function parseQcOptions(argument: unknown): QcOptions {
  const parsed = schema.safeParse(argument ?? {});
  if (parsed.success) return parsed.data;
  throw new HubError('config.invalid', { detail: z.prettifyError(parsed.error).replaceAll('\n', ' ') });
}

/** Limits for one kind of scan; its own before those for any. */
export function limitsFor(options: QcOptions, kindOfScan: VolumeKind): ReadonlyMap<string, Limit> {
  const entries = [...Object.entries(options.limits.any ?? {}), ...Object.entries(options.limits[kindOfScan] ?? {})];
  return new Map(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

/** True where the pattern is one of the names. */
export function isMatch(pattern: string, names: readonly string[]): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  const expression = new RegExp(`^${parts.join('.*')}$`, 'i');
  return names.some((name) => expression.test(name));
}
