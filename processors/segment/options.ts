/** What a `segment` step is told, its model read and checked. */
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { HUB } from '../objects/hub.ts';
import type { HubIdentity } from '../objects/result-object.ts';
import type { Model } from './model.ts';
import { DEFAULT_MODEL, openModel } from './open-model.ts';
import type { Catalogue } from '../../core/plugins.ts';
import { SEGMENT_OUTPUTS, type SegmentOutput } from './outputs.ts';

export interface SegmentOptions {
  readonly model: Model;
  /** A model that fails fails the run, and a study without any mask is held; otherwise it goes on with a finding. */
  readonly isRequired: boolean;
  /** What the results are given out as. */
  readonly outputs: readonly SegmentOutput[];
  readonly hub: HubIdentity;
}

const argumentSchema = z.strictObject({
  model: z.string().default(DEFAULT_MODEL),
  required: z.boolean().default(false),
  outputs: z
    .array(z.enum(SEGMENT_OUTPUTS))
    .refine((outputs) => outputs.includes('seg'), 'seg is always among the outputs: the others refer to it')
    .default(['seg', 'sr']),
});

/** @throws {HubError} `config.invalid`, `model.invalid` */
export function resolveSegment(argument: unknown, catalogue: Catalogue): SegmentOptions {
  const { model, required, outputs } = parseArgument(argument);
  return { model: openModel(model, catalogue), isRequired: required, outputs, hub: HUB };
}

/** The model a step names, for whoever wants to know without opening it. @throws {HubError} `config.invalid` */
export function modelOfStep(argument: unknown): string {
  return parseArgument(argument).model;
}

function parseArgument(argument: unknown): z.infer<typeof argumentSchema> {
  const parsed = argumentSchema.safeParse(
    argument === undefined ? {} : typeof argument === 'string' ? { model: argument } : argument,
  );
  if (parsed.success) return parsed.data;
  throw new HubError('config.invalid', {
    detail:
      'segment takes the name of a model: { segment: rodent-brain }, or { segment: { model: rodent-brain, required: true, outputs: [seg, sr, sc, pdf, nifti] } }' +
      `: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`,
  });
}
