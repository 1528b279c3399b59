/** STOW-RS (PS3.18 Section 10.5): POST /studies and /studies/{study}. Each part goes through `ingest` like every instance. */
import { randomUUID } from 'node:crypto';
import express, { type Request, type Response, type Router } from 'express';
import { fileMeta } from '../../core/dicom/part10.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { Provenance } from '../../core/ledger.ts';
import type { Logger } from '../../core/ports.ts';
import type { Ingested } from '../ingest.ts';
import type { Offer } from '../offer.ts';
import type { Reception } from '../spool/reception.ts';
import { FileMetaReader, type FileMeta } from './file-meta.ts';
import { multipartParts, parseMultipartType, type Part } from './multipart.ts';
import { stowResponse, stowStatus, type InstanceOutcome } from './stow-response.ts';

export interface StowLimits {
  /** Requests served at once. */
  readonly maxRequests: number;
  readonly maxInstances: number;
  readonly maxPartHeaderBytes: number;
}

export interface StowPorts {
  readonly receive: (prefix: Uint8Array) => Reception;
  /** Resolves when the object is durable. @throws {HubError} */
  readonly store: (reception: Reception, offer: Offer) => Promise<Ingested>;
  /** Name of the source that sends from an address. */
  readonly sourceOf: (address: string) => string;
  readonly isOpen: () => boolean;
  readonly onSeen: (source: string) => void;
  /** The request is over; `isWhole`: it was read to its end, and all of it was stored. */
  readonly onEnded: (associationId: string, isWhole: boolean) => void;
  readonly log: Logger;
  readonly limits: Partial<StowLimits>;
}

const DEFAULT_LIMITS: StowLimits = { maxRequests: 16, maxInstances: 10_000, maxPartHeaderBytes: 16 * 1024 };
const DICOM = 'application/dicom';
const DICOM_JSON = 'application/dicom+json';
/** So many instances of one request share their syncs; the next part is read when one of them is durable. */
const MAX_OUTSTANDING = 8;

/** Its errors are thrown: the application's problem handler answers them. */
export function stowRouter(ports: StowPorts): Router {
  const limits = { ...DEFAULT_LIMITS, ...ports.limits };
  let requests = 0;
  const serve = async (request: Request, response: Response, study: string | undefined): Promise<void> => {
    if (!ports.isOpen()) throw new HubError('gateway.stopping');
    if (request.accepts([DICOM_JSON, 'application/json']) === false) {
      throw new HubError('request.not-acceptable', { detail: `responses are ${DICOM_JSON}` });
    }
    if (study !== undefined && !isUid(study))
      throw new HubError('request.invalid', { detail: 'the study is not a UID' });
    const boundary = parseMultipartType(request.headers['content-type'], DICOM);
    if (requests >= limits.maxRequests) throw new HubError('request.too-many', { retryAfterMs: 5_000 });
    requests += 1;
    try {
      const parts = multipartParts(request, boundary, {
        maxParts: limits.maxInstances,
        maxHeaderBytes: limits.maxPartHeaderBytes,
      });
      const outcomes = await receiveAll(parts, study, request.socket.remoteAddress ?? '', ports);
      if (outcomes.length === 0) throw new HubError('request.invalid', { detail: 'the request has no parts' });
      const base = `${request.protocol}://${request.headers.host ?? 'localhost'}${request.baseUrl}`;
      response.status(stowStatus(outcomes)).type(DICOM_JSON);
      response.send(JSON.stringify(stowResponse(outcomes, base)));
    } finally {
      requests -= 1;
    }
  };
  const router = express.Router();
  router.post('/studies', async (request, response) => serve(request, response, undefined));
  router.post('/studies/:study', async (request, response) => serve(request, response, request.params.study));
  return router;
}

async function receiveAll(
  parts: AsyncIterable<Part>,
  study: string | undefined,
  address: string,
  ports: StowPorts,
): Promise<readonly InstanceOutcome[]> {
  const provenance: Provenance = { door: 'stow-rs', source: ports.sourceOf(address), associationId: randomUUID() };
  const startedMs = performance.now();
  ports.onSeen(provenance.source);
  const outcomes: Promise<InstanceOutcome>[] = [];
  let isRead = false;
  try {
    for await (const part of parts) {
      const { outcome } = await receivePart(part, study, provenance, ports);
      outcomes.push(outcome);
      await outcomes.at(-MAX_OUTSTANDING);
    }
    isRead = true;
    return await Promise.all(outcomes);
  } finally {
    const settled = await Promise.all(outcomes);
    const failed = settled.filter(({ failure }) => failure !== undefined).length;
    ports.onEnded(provenance.associationId, isRead && failed === 0);
    ports.log.info('store request ended', {
      associationId: provenance.associationId,
      source: provenance.source,
      address,
      instances: settled.length - failed,
      failed,
      durationSeconds: (performance.now() - startedMs) / 1000,
    });
  }
}

/** Reads a part to its end; the disk settles the outcome later. It never rejects: failures are outcomes. */
async function receivePart(
  part: Part,
  study: string | undefined,
  provenance: Provenance,
  ports: StowPorts,
): Promise<{ readonly outcome: Promise<InstanceOutcome> }> {
  if (part.mediaType !== DICOM && part.mediaType !== '') {
    return { outcome: Promise.resolve({ failure: new HubError('request.media-type') }) };
  }
  const reader = new FileMetaReader();
  let begun: Begun | undefined;
  try {
    for await (const chunk of part.body) {
      let bytes: Uint8Array = chunk;
      if (begun === undefined) {
        const read = reader.push(chunk);
        if (read === undefined) continue;
        begun = begin(read.meta, ports);
        bytes = read.rest;
      }
      if (!begun.reception.push(bytes)) await begun.reception.room();
    }
  } catch (error) {
    // The request was cut off: nothing of a partial instance stays.
    await begun?.reception.abandon();
    throw error;
  }
  if (begun === undefined) {
    const read = reader.end();
    begun = begin(read.meta, ports);
    begun.reception.push(read.rest);
  }
  const { reception, meta, refusal } = begun;
  const offer: Offer = {
    provenance,
    expected: {
      transferSyntaxUid: meta?.transferSyntaxUid ?? '',
      sopClassUid: meta?.sopClassUid,
      sopInstanceUid: meta?.sopInstanceUid,
      studyInstanceUid: study,
    },
    refusal,
  };
  return { outcome: outcomeOf(ports.store(reception, offer), meta) };
}

interface Begun {
  readonly reception: Reception;
  readonly meta: FileMeta | undefined;
  readonly refusal: HubError | undefined;
}

/** What is no Part 10 file is received as it is, so that quarantine has its bytes. */
function begin(meta: FileMeta | HubError, ports: StowPorts): Begun {
  if (meta instanceof HubError) {
    return { reception: ports.receive(new Uint8Array(0)), meta: undefined, refusal: meta };
  }
  const areUids = isUid(meta.sopClassUid) && isUid(meta.sopInstanceUid);
  const refusal = areUids ? undefined : new HubError('dataset.uid-invalid', { attribute: 'file meta information' });
  return { reception: ports.receive(fileMeta(meta)), meta, refusal };
}

async function outcomeOf(stored: Promise<Ingested>, meta: FileMeta | undefined): Promise<InstanceOutcome> {
  try {
    const { sopClassUid, sopInstanceUid, studyInstanceUid } = await stored;
    return { sopClassUid, sopInstanceUid, studyInstanceUid };
  } catch (error) {
    const { sopClassUid, sopInstanceUid } = meta ?? {};
    const isNamed = sopInstanceUid !== undefined && isUid(sopInstanceUid);
    return { failure: toHubError(error), ...(isNamed ? { sopClassUid, sopInstanceUid } : {}) };
  }
}
