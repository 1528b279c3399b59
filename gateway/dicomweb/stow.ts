/**
 * STOW-RS (PS3.18 Section 10.5): POST /studies and /studies/{study}, of Part 10 files or of DICOM JSON with bulk data.
 * Every instance goes through `ingest` like at every door.
 */
import { randomUUID } from 'node:crypto';
import express, { type Request, type Response, type Router } from 'express';
import { HubError, toHubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { Provenance } from '../../core/ledger/instances.ts';
import type { Logger } from '../../core/ports.ts';
import { acceptedRanges, admits } from './accept.ts';
import { type MediaType, parseMediaType } from '../../peers/dicomweb/media-type.ts';
import { MemoryPool, type MemoryShare } from './memory-share.ts';
import { boundaryOf, multipartParts, type Part } from '../../peers/dicomweb/multipart.ts';
import { rootUrl } from './root-url.ts';
import { receivePart10, type InstancePorts, type RequestContext } from './stow-instance.ts';
import { MetadataInstances } from './stow-metadata.ts';
import { stowResponse, stowStatus, type InstanceOutcome } from './stow-response.ts';
import { bodyOf, drain } from './unread-body.ts';

export interface StowLimits {
  /** Requests served at once. */
  readonly maxRequests: number;
  readonly maxInstances: number;
  readonly maxPartHeaderBytes: number;
  /** Metadata and small bulk data of one request that wait in memory. */
  readonly maxHeldBytes: number;
}

export interface StowPorts extends InstancePorts {
  /** Name of the source that sends. */
  readonly sourceOf: (request: Request) => string;
  /** False: what is stored cannot be asked for under the root of the request. */
  readonly isRetrievable?: boolean;
  readonly isOpen: () => boolean;
  /** The disk is low: nothing is read that could not be kept. */
  readonly isFull: () => boolean;
  readonly onSeen: (source: string) => void;
  /** The request is over; `isWhole`: it was read to its end, and all of it was stored. */
  readonly onEnded: (associationId: string, isWhole: boolean) => void;
  readonly log: Logger;
  readonly limits: Partial<StowLimits>;
}

const DEFAULT_LIMITS: StowLimits = {
  maxRequests: 16,
  maxInstances: 10_000,
  maxPartHeaderBytes: 16 * 1024,
  maxHeldBytes: 64 * 1024 * 1024,
};
/** What waits in memory of all requests together, in shares of one request. */
const MAX_HELD_SHARES = 4;
const DICOM = 'application/dicom';
const DICOM_JSON = 'application/dicom+json';
const MULTIPART = 'multipart/related';
/** So many instances of one request share their syncs; the next part is read when one of them is durable. */
const MAX_OUTSTANDING = 8;

/** Its errors are thrown: the application's problem handler answers them. */
export function stowRouter(ports: StowPorts): Router {
  const limits = { ...DEFAULT_LIMITS, ...ports.limits };
  const memory = new MemoryPool(limits.maxHeldBytes * MAX_HELD_SHARES);
  let requests = 0;
  const serve = async (request: Request, response: Response, study: string | undefined): Promise<void> => {
    if (!ports.isOpen()) throw new HubError('gateway.stopping');
    const answerType = [DICOM_JSON, 'application/json'].find((type) =>
      acceptedRanges(request).some((range) => admits(range.type, type)),
    );
    if (answerType === undefined) {
      throw new HubError('request.not-acceptable', { detail: `responses are ${DICOM_JSON}` });
    }
    if (study !== undefined && !isUid(study))
      throw new HubError('request.invalid', { detail: 'the study is not a UID' });
    const parts = partsOf(request, limits);
    if (ports.isFull()) throw new HubError('store.full');
    if (requests >= limits.maxRequests) throw new HubError('request.too-many', { retryAfterMs: 5_000 });
    requests += 1;
    const share = memory.share(limits.maxHeldBytes);
    try {
      const base = rootUrl(request);
      const address = request.socket.remoteAddress ?? '';
      const source = ports.sourceOf(request);
      const outcomes = await receiveAll(parts, { study, address, source, base, limits, share }, ports);
      if (outcomes.length === 0) throw new HubError('request.invalid', { detail: 'the request has no parts' });
      // Without a charset: the model is UTF-8 always (PS3.18 Section F.2), and clients compare the type letter by letter.
      response.status(stowStatus(outcomes)).setHeader('Content-Type', answerType);
      response.end(JSON.stringify(stowResponse(outcomes, ports.isRetrievable === false ? undefined : base)));
    } finally {
      requests -= 1;
      share.give(Infinity);
    }
  };
  const router = express.Router();
  const answer = async (request: Request, response: Response, study: string | undefined): Promise<void> => {
    try {
      await serve(request, response, study);
    } finally {
      drain(request);
    }
  };
  router.post('/studies', async (request, response) => answer(request, response, undefined));
  router.post('/studies/:study', async (request, response) => answer(request, response, request.params.study));
  return router;
}

/** The parts of a request; a body that is one representation is the only part. @throws {HubError} `request.media-type` */
function partsOf(request: Request, limits: StowLimits): AsyncIterable<Part> {
  // RFC 9110 Section 8.4: said plainly, rather than looking for instances in a gzip stream. What is small stays small here.
  const coding = request.headers['content-encoding'] ?? 'identity';
  if (coding.toLowerCase() !== 'identity')
    throw new HubError('request.media-type', { detail: 'a Content-Encoding is not supported' });
  const contentType = parseMediaType(request.headers['content-type'] ?? '');
  const { type } = contentType;
  if (type === DICOM || type === DICOM_JSON) return onePart(contentType, bodyOf(request));
  // PS3.18 Section 10.5.3: 415 for whatever else the Content-Type names, multipart or not.
  if (type !== MULTIPART) throw new HubError('request.media-type', { detail: type === '' ? 'no Content-Type' : type });
  const root = contentType.parameters.get('type')?.toLowerCase();
  if (root !== undefined && root !== DICOM && root !== DICOM_JSON)
    throw new HubError('request.media-type', { detail: `type=${root}` });
  return multipartParts(bodyOf(request), boundaryOf(contentType), {
    maxParts: limits.maxInstances,
    maxHeaderBytes: limits.maxPartHeaderBytes,
  });
}

async function* onePart(contentType: MediaType, body: AsyncIterable<Buffer>): AsyncGenerator<Part> {
  await Promise.resolve();
  yield { contentType, location: undefined, announcedBytes: undefined, body };
}

interface Receiving {
  readonly study: string | undefined;
  readonly address: string;
  readonly source: string;
  readonly base: string;
  readonly limits: StowLimits;
  readonly share: MemoryShare;
}

async function receiveAll(
  parts: AsyncIterable<Part>,
  { study, address, source, base, limits, share }: Receiving,
  ports: StowPorts,
): Promise<readonly InstanceOutcome[]> {
  const provenance: Provenance = { door: 'stow-rs', source, associationId: randomUUID() };
  const context: RequestContext = { provenance, study };
  const startedMs = performance.now();
  ports.onSeen(provenance.source);
  const outcomes: Promise<InstanceOutcome>[] = [];
  const settle = async (outcome: Promise<InstanceOutcome>): Promise<void> => {
    outcomes.push(outcome);
    await outcomes.at(-MAX_OUTSTANDING);
  };
  const metadata = new MetadataInstances(context, ports, share, `${base}/`, settle);
  let isRead = false;
  try {
    for await (const part of parts) {
      const { type } = part.contentType;
      if (type === DICOM || type === '') await settle((await receivePart10(part.body, context, ports)).outcome);
      else if (type === DICOM_JSON) await metadata.metadata(part.body, limits.maxInstances);
      else if (part.location !== undefined) await metadata.bulkData(part);
      else await settle(Promise.resolve({ failure: new HubError('request.media-type') }));
    }
    isRead = true;
    await metadata.end();
    return await Promise.all(outcomes);
  } catch (error) {
    // What is stored stays stored: a sender that can still be answered hears which instances that are.
    const isOfRequest = error instanceof HubError && outcomes.length > 0;
    if (!isOfRequest) throw error;
    await metadata.end();
    return [...(await Promise.all(outcomes)), { failure: toHubError(error) }];
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
