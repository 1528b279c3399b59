/** What came in: instances, and the studies they make up. Stream `hub.ingest.v1`. */
import * as z from 'zod';
import { COMPLETION_EVIDENCE, COMPLETION_SIGNALS } from '../completion.ts';
import type { EventEntry } from './entry.ts';
import { count, name, sha256, uid } from './fields.ts';

const completionEvidence = z.strictObject({
  what: z.enum(COMPLETION_EVIDENCE),
  held: count.optional(),
  expected: count.optional(),
  series: count.optional(),
  ms: count.optional(),
  failures: count.optional(),
  code: name.optional(),
  route: name.optional(),
  seriesInstanceUid: uid.optional(),
  id: name.optional(),
});

export const INGEST_EVENTS = {
  'instance.stored': {
    stream: 'hub.ingest.v1',
    about: 'An instance is durable and in the ledger.',
    data: z.strictObject({
      studyInstanceUid: uid,
      seriesInstanceUid: uid,
      sopInstanceUid: uid,
      sopClassUid: uid,
      transferSyntaxUid: uid,
      blobRef: z.string(),
      sizeBytes: count,
      sha256,
      door: z.enum(['dimse', 'stow-rs', 'folder']),
      source: z.string(),
      associationId: z.string(),
    }),
  },
  'study.completed': {
    stream: 'hub.ingest.v1',
    about:
      'The study is taken as whole, by the signal named; the evidence is what was known then, `quietMs` the quiet period in force. A late instance opens the next revision; `instances` counts those of the series that something of the revision came into.',
    data: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int().min(1),
      instances: z.int().min(1),
      source: z.string(),
      signal: z.enum(COMPLETION_SIGNALS),
      quietMs: count,
      /** Of the configuration whose completion rules took it as whole. */
      configVersion: z.string().optional(),
      evidence: z.array(completionEvidence).optional(),
      /** A replay: its results go to these destinations instead of those of its routes. */
      replayTo: z.array(name).optional(),
    }),
  },
  'study.pulled': {
    stream: 'hub.ingest.v1',
    about: 'A pull has fetched a study, and the ledger holds as many instances of it as its source has.',
    data: z.strictObject({
      studyInstanceUid: uid,
      pull: name,
      instances: z.int().min(1),
      attempts: z.int().min(1),
    }),
  },
  'pull.failed': {
    stream: 'hub.ingest.v1',
    about: 'A study could not be fetched whole from the source of a pull; it is tried again when it is found again.',
    data: z.strictObject({
      studyInstanceUid: uid,
      pull: name,
      reason: name,
      attempts: z.int().min(1),
    }),
  },
} as const satisfies Record<string, EventEntry>;
