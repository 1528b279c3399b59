/** What the processors made of a study. Stream `hub.result.v1`. */
import * as z from 'zod';
import { OVERRIDE_REASONS } from '../override-reasons.ts';
import type { EventEntry } from './entry.ts';
import { count, name, run, sha256, uid } from './fields.ts';

const verdict = z.enum(['pass', 'warn', 'fail', 'not-enough-history']);
const measures = z.record(z.string(), z.number().nullable());
const numberOrText = z.union([z.number(), z.string().max(64)]).nullable();
const judgement = z.strictObject({
  measure: name,
  value: numberOrText,
  limit: numberOrText,
  z: z.number().nullable(),
  severity: z.enum(['warn', 'fail']),
  sentence: z.string().max(512),
});
const qcSeries = z.strictObject({
  seriesInstanceUid: uid,
  kind: z.string(),
  verdict,
  measures,
  findings: z.array(z.string()),
  judgements: z.array(judgement).optional(),
});
const segmentedSeries = z.strictObject({
  seriesInstanceUid: uid,
  segmentationSopInstanceUid: uid,
  segments: z.array(z.strictObject({ label: z.string(), voxels: count, volumeMm3: z.number() })),
  reliability: z
    .strictObject({ verdict: z.enum(['reliable', 'unreliable']), reasons: z.array(z.string().max(200)) })
    .optional(),
});
/** `no-volume`: none can be made of it; `failed`, `nothing-found`: the model was asked. The others: it was not for the model. */
const leftOut = z.enum([
  'no-volume',
  'shape',
  'modality',
  'species',
  'contrast',
  'geometry',
  'uniform',
  'field-of-view',
  'grid',
  'channels',
  'failed',
  'nothing-found',
]);
const segmentation = {
  model: name,
  modelVersion: z.string(),
  modelSha256: sha256,
  manifestSha256: sha256.optional(),
  runtime: z.string(),
  seconds: z.number(),
  failedSeries: count.optional(),
  series: z.array(segmentedSeries),
  leftOut: z.array(z.strictObject({ seriesInstanceUid: uid, reason: leftOut })).optional(),
};
/** Present where the study went on all the same, because somebody said so. */
const override = z.strictObject({ reason: z.enum(OVERRIDE_REASONS), by: z.string() }).optional();
const overrideForPartner = z.object({ reason: z.enum(OVERRIDE_REASONS) }).optional();
const deidentifiedCounts = z.record(z.string(), count);

export const RESULT_EVENTS = {
  'study.deidentified': {
    stream: 'hub.result.v1',
    about: 'Every instance of the run was de-identified and its output proven clean.',
    data: z.strictObject({
      ...run,
      policy: name,
      policyHash: sha256,
      tableEdition: z.string(),
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      instances: count,
      counts: deidentifiedCounts,
      reportRef: z.string(),
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      policy: name,
      policyHash: sha256,
      tableEdition: z.string(),
      instances: count,
      counts: deidentifiedCounts,
    }),
  },
  'study.reidentified': {
    stream: 'hub.result.v1',
    about:
      'What a partner returned for a released study was led back to the original; `studyInstanceUid` is what the hub files it under.',
    data: z.strictObject({
      ...run,
      returnedBy: name,
      originalStudyInstanceUid: uid,
      instances: count,
      references: count,
    }),
  },
  'qc.completed': {
    stream: 'hub.result.v1',
    about: 'Quality control has measured each series and given a verdict.',
    data: z.strictObject({
      ...run,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      verdict,
      findings: z.array(z.string()).optional(),
      series: z.array(qcSeries),
      reportRef: z.string(),
      override,
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      verdict,
      series: z.array(qcSeries),
      override: overrideForPartner,
    }),
  },
  'segmentation.completed': {
    stream: 'hub.result.v1',
    about: 'A model has segmented the series it fits; the result is a DICOM Segmentation.',
    data: z.strictObject({
      ...run,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      ...segmentation,
      override,
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      ...segmentation,
      override: overrideForPartner,
    }),
  },
  'study.processed': {
    stream: 'hub.result.v1',
    about: 'All processors of the run are done; its results go to the destinations.',
    data: z.strictObject({
      ...run,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      instances: count,
      artefacts: count,
      destinations: z.array(name),
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      instances: count,
      artefacts: count,
      destinations: z.array(name),
      /** Artefacts a partner was sent beside the instances. */
      files: z
        .array(
          z.strictObject({
            name: z.string(),
            mediaType: z.string(),
            sizeBytes: count,
            sha256,
          }),
        )
        .optional(),
    }),
  },
} as const satisfies Record<string, EventEntry>;
