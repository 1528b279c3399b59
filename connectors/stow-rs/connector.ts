/** Delivers instances to an origin server with STOW-RS (PS3.18 Section 10.5), in batches. */
import { HubError } from '../../core/errors.ts';
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { Connector, ConnectorContext, ProbeContext } from '../../core/plugins.ts';
import type { InstanceItem } from '../../core/store.ts';
import { type Answer, refusalOf } from '../exchange.ts';
import { DUPLICATE_SOP_INSTANCE, keptOther, type Rejection, rejectionOf } from '../rejections.ts';
import { multipartOf } from './multipart.ts';
import { probeStowRs } from './probe.ts';
import { reconcileWithQido } from './reconcile.ts';
import { type Service, serviceOf } from './service.ts';
import { parseStoreResponse } from './store-response.ts';
import { TokenSource } from './token.ts';
import type { StowOptions } from './options.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** RFC 9110 Section 15.5.14: what stands before a server often takes less at once than the server itself. */
const CONTENT_TOO_LARGE = 413;
/** PS3.3 Section C.14.1.1: Processing failure; also for an instance the server says nothing about. */
const PROCESSING_FAILURE = 0x0110;

export function open(given: StowOptions, context: ConnectorContext): Connector {
  const service = openService(given, context);
  const url = new URL(`${service.url}/studies`);

  const store = async (batch: readonly InstanceItem[], signal: AbortSignal): Promise<Answer> => {
    const { contentType, body } = multipartOf(batch, context.store);
    return await service.ask({
      url,
      headers: { 'Content-Type': contentType, Accept: 'application/dicom+json' },
      body,
      signal,
    });
  };

  /** What the server takes at once, as far as it has shown: the next delivery need not find it out again. */
  let { size } = given.batch;

  return {
    deliver: async (order, onDelivered) => {
      const rejections: Rejection[] = [];
      let waiting = order.items.filter(
        (item): item is InstanceItem => item.kind === 'instance' && !order.delivered.has(item.sopInstanceUid),
      );
      while (waiting.length > 0) {
        const batch = nextBatch(waiting, { instances: given.batch.instances, size });
        const answer = await store(batch, order.signal);
        if (answer.status === CONTENT_TOO_LARGE && batch.length > 1) {
          // Halved each time, so that after a few requests it fits; the same instances go first again.
          size = Math.min(size, Math.floor(bytesOf(batch) / 2));
          context.log.info('the server takes less at once', { batchBytes: size });
          continue;
        }
        const outcome =
          answer.status === CONTENT_TOO_LARGE
            ? { stored: [], rejections: batch.map(tooLarge) }
            : outcomeOf(batch, answer, order.revised);
        outcome.stored.forEach(onDelivered);
        rejections.push(...outcome.rejections);
        waiting = waiting.slice(batch.length);
      }
      if (rejections.length > 0) throw rejectionOf(rejections);
    },
    ...(given.verify === 'none'
      ? {}
      : {
          reconcile: async (order) => await reconcileWithQido(order, service),
        }),
    close: () => Promise.resolve(),
  };
}

export function probe(given: StowOptions, context: ProbeContext): AsyncIterable<Diagnosis> {
  return probeStowRs(() => openService(given, context), context);
}

/** @throws {HubError} `config.invalid` when a secret cannot be had */
function openService(given: StowOptions, context: Pick<ConnectorContext, 'secret'>): Service {
  const { auth, tls } = given;
  const pem = (name: 'ca' | 'certificate' | 'key') =>
    tls?.[name] === undefined ? undefined : context.secret(tls[name]);
  const identity = tls === undefined ? undefined : { ca: pem('ca'), certificate: pem('certificate'), key: pem('key') };
  const oauth2 = auth !== undefined && 'oauth2' in auth ? auth.oauth2 : undefined;
  const authorization = authorizationOf(given, context);
  return serviceOf({
    url: given.url.replace(/\/+$/, ''),
    headers: { ...given.headers, ...(authorization === undefined ? {} : { Authorization: authorization }) },
    tokens:
      oauth2 === undefined
        ? undefined
        : new TokenSource({
            tokenUrl: new URL(oauth2.tokenUrl),
            clientId: oauth2.clientId,
            clientSecret: context.secret(oauth2.clientSecret),
            scope: oauth2.scope,
            audience: oauth2.audience,
            credentialsIn: oauth2.credentialsIn,
            tls: identity,
          }),
    tls: identity,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    answerTimeoutMs: given.answerTimeout,
  });
}

function authorizationOf({ auth }: StowOptions, context: Pick<ConnectorContext, 'secret'>): string | undefined {
  if (auth === undefined || 'oauth2' in auth) return undefined;
  if ('bearer' in auth) return `Bearer ${context.secret(auth.bearer)}`;
  const { user, password } = auth.basic;
  return `Basic ${Buffer.from(`${user}:${context.secret(password)}`).toString('base64')}`;
}

/** The first of them that may go together; one at least. */
function nextBatch(
  instances: readonly InstanceItem[],
  limit: { readonly instances: number; readonly size: number },
): readonly InstanceItem[] {
  let count = 0;
  let bytes = 0;
  for (const { sizeBytes } of instances.slice(0, limit.instances)) {
    bytes += sizeBytes;
    if (count > 0 && bytes > limit.size) break;
    count += 1;
  }
  return instances.slice(0, count);
}

function bytesOf(batch: readonly InstanceItem[]): number {
  return batch.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function tooLarge({ sopInstanceUid, sizeBytes }: InstanceItem): Rejection {
  const detail = `larger than the server takes at once (HTTP 413, ${String(sizeBytes)} bytes)`;
  return { sopInstanceUid, status: PROCESSING_FAILURE, detail };
}

/** @throws {HubError} when the answer is about the request as a whole, not about its instances */
function outcomeOf(
  batch: readonly InstanceItem[],
  answer: Answer,
  revised: ReadonlySet<string>,
): { readonly stored: readonly string[]; readonly rejections: readonly Rejection[] } {
  // PS3.18 Table 10.5.3-1: 200 all stored, 202 some stored or stored with warnings, 409 none stored. Orthanc answers 400
  // when one of the files is unreadable, and lists what it stored beside it.
  if (![200, 202, 400, 409].includes(answer.status)) throw refusalOf(answer);
  const parsed = parseStoreResponse(answer.body);
  // The page of a proxy or a login is a 200, too. An empty body or XML is taken for what the status says.
  const isDicom = answer.headers['content-type']?.includes('dicom') === true;
  if (parsed === undefined && answer.body.byteLength > 0 && !isDicom)
    throw new HubError('partner.refused', { status: answer.status, detail: 'its answer is not one of STOW-RS' });
  // Anything but 200 is only worth what its body says.
  if (parsed?.stored === undefined && (parsed === undefined || parsed.failed.size === 0) && answer.status !== 200) {
    throw new HubError('partner.refused', { status: answer.status, detail: 'its answer lists no instances' });
  }
  const stored: string[] = [];
  const rejections: Rejection[] = [];
  for (const { sopInstanceUid } of batch) {
    const reason = parsed?.failed.get(sopInstanceUid);
    const isListed = parsed?.stored?.has(sopInstanceUid) ?? answer.status === 200;
    if (reason === DUPLICATE_SOP_INSTANCE && revised.has(sopInstanceUid)) rejections.push(keptOther(sopInstanceUid));
    else if (reason === DUPLICATE_SOP_INSTANCE || (reason === undefined && isListed)) stored.push(sopInstanceUid);
    else if (reason !== undefined) rejections.push({ sopInstanceUid, status: reason });
    else rejections.push({ sopInstanceUid, status: PROCESSING_FAILURE, detail: 'not in the answer' });
  }
  return { stored, rejections };
}
