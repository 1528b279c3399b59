/** WADO-RS user agent (PS3.18 Section 10.4): Part 10 files of one answer, streamed into the hub one after the other. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { Intake } from '../../core/intake.ts';
import { get, type WebOrigin } from '../../peers/dicomweb/get.ts';
import { parseMediaType } from '../../peers/dicomweb/media-type.ts';
import { boundaryOf, multipartParts } from '../../peers/dicomweb/multipart.ts';
import { refusalOf, webFailure } from '../../peers/dicomweb/qido.ts';
import type { PullOptions } from './options.ts';
import type { Scope } from './source.ts';
import type { Throttle } from './throttle.ts';
import { type Watchdog, watchdog } from './watchdog.ts';

/** Each as it is stored; then, for a server that does not know that, as it likes. */
const ACCEPTS = [
  'multipart/related; type="application/dicom"; transfer-syntax=*',
  'multipart/related; type="application/dicom"',
] as const;
const LIMITS = { maxParts: 200_000, maxHeaderBytes: 16 * 1024 };
/** That wait for the disk at once, so that one flush serves several. */
const MAX_UNSETTLED = 8;

export interface WadoPorts {
  readonly intake: Intake;
  readonly throttle: Throttle;
  readonly onBytes: (bytes: number) => void;
}

/** @throws {HubError} `partner.*`; `store.full` or `gateway.stopping` when the hub itself could not take what came */
export async function retrieve(
  options: Pick<PullOptions, 'name' | 'timeouts'>,
  origin: WebOrigin,
  study: StudyInstanceUid,
  scope: Scope,
  ports: WadoPorts,
  outer: AbortSignal,
): Promise<void> {
  if (scope.level !== 'instances') {
    await one(options, origin, study, pathOf(study, scope), ports, outer);
    return;
  }
  for (const sopInstanceUid of scope.sopInstanceUids) {
    const path = `${pathOf(study, scope)}/instances/${sopInstanceUid}`;
    await one(options, origin, study, path, ports, outer);
  }
}

function pathOf(study: StudyInstanceUid, scope: Scope): string {
  return scope.level === 'study' ? `/studies/${study}` : `/studies/${study}/series/${scope.seriesInstanceUid}`;
}

async function one(
  options: Pick<PullOptions, 'name' | 'timeouts'>,
  origin: WebOrigin,
  study: StudyInstanceUid,
  path: string,
  ports: WadoPorts,
  outer: AbortSignal,
): Promise<void> {
  const associationId = randomUUID();
  let isHeld = false;
  const dog = watchdog(outer, options.timeouts.stallMs, () => isHeld);
  const fetching = {
    provenance: { door: 'stow-rs', source: options.name, associationId },
    studyInstanceUid: study,
  } as const;
  const unsettled: Promise<HubError | undefined>[] = [];
  let ownFailure: HubError | undefined;
  const settle = async (atMost: number) => {
    while (unsettled.length > atMost) {
      const failure = await unsettled.shift();
      if (failure?.row.retry === 'transient') ownFailure ??= failure;
    }
  };
  const paced = async function* (body: AsyncIterable<Uint8Array>) {
    for await (const bytes of body) {
      dog.moved();
      ports.throttle.spend(bytes.byteLength);
      ports.onBytes(bytes.byteLength);
      yield bytes;
      isHeld = true;
      await ports.throttle.wait(dog.signal);
      isHeld = false;
    }
  };
  let isWhole = false;
  try {
    const response = await request(origin, path, dog);
    try {
      for await (const body of filesOf(response)) {
        const { durable } = await ports.intake.takePart10(paced(body), fetching);
        unsettled.push(durable);
        await settle(MAX_UNSETTLED);
        if (ownFailure !== undefined) throw ownFailure;
      }
      isWhole = true;
    } finally {
      await settle(0);
      // Nothing more of it is wanted; of one read to its end nothing is left.
      response.destroy();
    }
    if (ownFailure !== undefined) throw ownFailure;
  } catch (error) {
    dog.signal.throwIfAborted();
    throw peerFailure(error, dog.signal);
  } finally {
    dog.stop();
    ports.intake.ended(associationId, isWhole);
  }
}

/**
 * How the file behind a path begins; the rest is not asked for.
 *
 * @throws {HubError} `partner.*`
 */
export async function firstBytes(origin: WebOrigin, path: string, count: number, signal: AbortSignal): Promise<Buffer> {
  const cut = new AbortController();
  const dog = { signal: AbortSignal.any([signal, cut.signal]), moved: () => undefined };
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const body of filesOf(await request(origin, path, dog))) {
      for await (const bytes of body) {
        parts.push(Buffer.from(bytes));
        size += bytes.byteLength;
        if (size >= count) return Buffer.concat(parts).subarray(0, count);
      }
    }
    return Buffer.concat(parts);
  } catch (error) {
    throw peerFailure(error, signal);
  } finally {
    cut.abort();
  }
}

async function request(
  origin: WebOrigin,
  path: string,
  dog: Pick<Watchdog, 'signal' | 'moved'>,
): Promise<IncomingMessage> {
  for (const accept of ACCEPTS) {
    const response = await get(origin, path, accept, dog.signal);
    const { statusCode: status = 0 } = response;
    dog.moved();
    if (status >= 200 && status < 300) return response;
    response.destroy();
    if (status !== 406) throw refusalOf(status);
  }
  throw new HubError('partner.refused', { status: 406 });
}

async function* filesOf(response: IncomingMessage): AsyncGenerator<AsyncIterable<Uint8Array>> {
  const type = parseMediaType(response.headers['content-type'] ?? '');
  const body: AsyncIterable<Uint8Array> = response;
  if (type.type === 'application/dicom') {
    yield body;
    return;
  }
  if (type.type !== 'multipart/related') throw new HubError('partner.refused', { detail: 'no DICOM files' });
  for await (const part of multipartParts(body, boundaryOf(type), LIMITS)) {
    const { type: partType } = part.contentType;
    // One that says it is something else is read over.
    if (partType === '' || partType === 'application/dicom') yield part.body;
  }
}

/** What is wrong with a body is told in the words of a request; here it is the peer's answer. */
function peerFailure(error: unknown, signal: AbortSignal): HubError {
  const failure = webFailure(error, signal, 'no answer');
  if (!failure.code.startsWith('request.')) return failure;
  return new HubError('partner.unreachable', { detail: 'its answer ends early or is no multipart body' }, failure);
}
