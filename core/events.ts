/**
 * The facts of a study's journey. One entry is the schema, the TypeScript type, the stream, what a partner may see of
 * it, and the row in docs/events.md. Events carry identifiers, references, digests and numbers; never patient data or
 * pixels. On the wire: CloudEvents 1.0, `type` is `hub.<noun>.<participle>.v1`.
 */
import * as z from 'zod';
import { COMPLETION_EVIDENCE, COMPLETION_SIGNALS } from './completion.ts';

const uid = z.string().regex(/^[0-9.]{1,64}$/);
const name = z.string().min(1).max(64);
const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const verdict = z.enum(['pass', 'warn', 'fail', 'not-enough-history']);
const measures = z.record(z.string(), z.number().nullable());

/** Fields that say which run of which route produced a result. */
const run = {
  studyInstanceUid: uid,
  revision: z.int().min(1),
  runId: z.uuid(),
  route: name,
  /** Of the configuration that routed it. On `study.routed` since the first version, so it is said again there. */
  configVersion: z.string().optional(),
};

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
const deidentifiedCounts = z.record(z.string(), count);

export const EVENTS = {
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
      'The study is taken as whole, by the signal named; the evidence is what was known then. A late instance opens the next revision.',
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
  'study.routed': {
    stream: 'hub.work.v1',
    about: 'A route matched; one event a matching route (and, with perSeries, one for the matching series together).',
    data: z.strictObject({
      ...run,
      instances: z.int().min(1),
      series: z.array(uid),
      processors: z.array(name),
      destinations: z.array(name),
      configVersion: z.string(),
    }),
  },
  'study.unrouted': {
    stream: 'hub.work.v1',
    about: 'No route matched; the study stands in the list of unrouted studies.',
    data: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int().min(1),
      instances: z.int().min(1),
      routesTried: count,
      configVersion: z.string(),
    }),
  },
  'study.quarantined': {
    stream: 'hub.work.v1',
    about: 'Content that cannot be trusted or processed is held with its bytes, the reason and a way to replay.',
    data: z.strictObject({
      studyInstanceUid: uid.optional(),
      quarantineId: z.uuid(),
      stage: z.string(),
      reason: z.string(),
      instances: count,
      runId: z.uuid().optional(),
      /** Of the run. */
      configVersion: z.string().optional(),
    }),
  },
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
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      verdict,
      series: z.array(qcSeries),
    }),
  },
  'segmentation.completed': {
    stream: 'hub.result.v1',
    about: 'A model has segmented the series it fits; the result is a DICOM Segmentation.',
    data: z.strictObject({
      ...run,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      model: name,
      modelVersion: z.string(),
      modelSha256: sha256,
      manifestSha256: sha256.optional(),
      runtime: z.string(),
      seconds: z.number(),
      failedSeries: count.optional(),
      series: z.array(segmentedSeries),
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      model: name,
      modelVersion: z.string(),
      modelSha256: sha256,
      manifestSha256: sha256.optional(),
      runtime: z.string(),
      seconds: z.number(),
      failedSeries: count.optional(),
      series: z.array(segmentedSeries),
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
  'delivery.succeeded': {
    stream: 'hub.delivery.v1',
    about: 'A destination has everything of a run.',
    data: z.strictObject({
      ...run,
      deliveryId: z.uuid(),
      destination: name,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      instances: count,
      attempts: z.int(),
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      deliveryId: z.uuid(),
      destination: name,
      instances: count,
      attempts: z.int(),
    }),
  },
  'delivery.dead-lettered': {
    stream: 'hub.delivery.v1',
    about: 'A delivery ended without success; it stands in the dead letters until someone replays it.',
    data: z.strictObject({
      ...run,
      deliveryId: z.uuid(),
      destination: name,
      partner: name.optional(),
      releasedStudyInstanceUid: uid,
      reason: z.string(),
      attempts: z.int(),
    }),
    partner: z.strictObject({
      studyInstanceUid: uid,
      revision: z.int(),
      deliveryId: z.uuid(),
      destination: name,
      reason: z.string(),
      attempts: z.int(),
    }),
  },
  'webhook.disabled': {
    stream: 'hub.delivery.v1',
    about:
      'A webhook that a partner manages is disabled: its endpoint is gone, or for too long nothing could be delivered. Nothing is lost: enabled again, it goes on where it stood. The key is its id.',
    data: z.strictObject({
      partner: name,
      webhookId: z.uuid(),
      reason: z.enum(['gone', 'failing']),
      failingSince: z.string().optional(),
    }),
    partner: z.strictObject({
      webhookId: z.uuid(),
      reason: z.enum(['gone', 'failing']),
      failingSince: z.string().optional(),
    }),
  },
  'action.audited': {
    stream: 'hub.audit.v1',
    about: 'Somebody with a token did something that changes what the hub does or shows.',
    data: z.strictObject({
      actor: z.string(),
      role: z.string(),
      action: z.string(),
      subject: z.string(),
      outcome: z.enum(['done', 'refused']),
    }),
  },
} as const satisfies Record<string, EventEntry>;

interface EventEntry {
  readonly stream: HubStream;
  readonly about: string;
  readonly data: z.ZodType;
  /** What the partner the data was released for sees: pseudonymous identifiers only. Absent: partners never see it. */
  readonly partner?: z.ZodType;
}

export type HubStream = 'hub.ingest.v1' | 'hub.work.v1' | 'hub.result.v1' | 'hub.delivery.v1' | 'hub.audit.v1';
export type PartnerStream = `partner.${string}.v1`;
export type Stream = HubStream | PartnerStream;
export const STREAMS: readonly HubStream[] = [
  'hub.ingest.v1',
  'hub.work.v1',
  'hub.result.v1',
  'hub.delivery.v1',
  'hub.audit.v1',
];

export type EventType = keyof typeof EVENTS;
export type EventData<T extends EventType> = z.infer<(typeof EVENTS)[T]['data']>;

/** A fact with its envelope. `key` orders: events of one key are seen in the order they were appended. */
export interface HubEvent<T extends EventType = EventType> {
  /** UUIDv7. Handlers are idempotent on it. */
  readonly id: string;
  readonly type: T;
  readonly stream: Stream;
  /** Study Instance UID; for a partner's stream the pseudonymous one; for audit the actor. */
  readonly key: string;
  /** UTC ISO 8601. */
  readonly time: string;
  /** Follows the study from the association to the partner. Never set on a partner's stream. */
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly replayOf?: string;
  readonly data: EventData<T>;
}

/** An event as a reader meets it: with its place in the log, which is also the cursor of a partner's feed. */
export type PositionedEvent = HubEvent & { readonly position: number };

/** Narrows an event, and with it its data, to one type. */
export function isEventOf<T extends EventType>(event: HubEvent, type: T): event is HubEvent<T> & typeof event {
  return event.type === type;
}

/** `study.completed` → `hub.study.completed.v1`. */
export function wireType(type: EventType): `hub.${EventType}.v1` {
  return `hub.${type}.v1`;
}

/** CloudEvents 1.0 structured JSON. Shape of every event on HTTP: the feed, webhooks. */
export function toCloudEvent(event: HubEvent, hubName: string): Record<string, unknown> {
  return {
    specversion: '1.0',
    id: event.id,
    source: `urn:hub:${hubName}`,
    type: wireType(event.type),
    subject: event.key,
    time: event.time,
    datacontenttype: 'application/json',
    dataschema: `/schemas/${event.stream.startsWith('partner.') ? 'partner/' : ''}${wireType(event.type)}.json`,
    ...(event.correlationId === undefined ? {} : { correlationid: event.correlationId }),
    ...(event.causationId === undefined ? {} : { causationid: event.causationId }),
    ...(event.replayOf === undefined ? {} : { replayof: event.replayOf }),
    data: event.data,
  };
}

/** Checks an event against its entry; we are strict when we publish. @throws {z.ZodError} a defect of ours */
export function checkEvent(event: HubEvent): void {
  const entry: EventEntry = EVENTS[event.type];
  const schema = event.stream.startsWith('partner.') ? entry.partner : entry.data;
  if (schema === undefined) throw new TypeError(`${event.type} is not for partners`);
  schema.parse(event.data);
}
