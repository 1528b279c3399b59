/** Tries the way to a webhook: its secret, whether the address may be called, name, port, TLS, and a signed test event. */
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { type Diagnosis, fine, skipped, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { ProbeContext } from '../../core/plugins.ts';
import { exchange } from '../exchange.ts';
import { clockOf, noAnswer, placeOf, probeWay, refusedStatus, targetOf } from '../probe/web.ts';
import type { AddressGuard } from './address-guard.ts';
import { formatTestEvent } from './test-event.ts';
import { signedHeaders, type SigningKeys } from './signature.ts';

export interface Hook {
  readonly url: URL;
  readonly guard: AddressGuard;
  /** @throws {HubError} `config.invalid` when one cannot be had or is none */
  readonly keys: () => readonly SigningKeys[];
  readonly timeoutMs: number;
}

export async function* probeWebhook(hook: Hook, context: ProbeContext): AsyncGenerator<Diagnosis> {
  const { url, guard, timeoutMs } = hook;
  const keys = readKeys(hook);
  if ('verdict' in keys) {
    yield keys;
    return;
  }
  const { signal } = context;
  const target = targetOf(url, { timeoutMs, lookup: guard.lookup, signal });
  const forbidden = await forbiddenBy(guard, url, target.host);
  if (forbidden !== undefined) {
    yield forbidden;
    return;
  }
  if ((yield* probeWay(url, target)) === undefined) return;
  if (!context.sendTest) {
    yield skipped('test-event', 'A test event was not sent', 'Only with --send-test: the partner would get it.');
    return;
  }
  const body = Buffer.from(formatTestEvent(context.hubName, randomUUID()));
  const now = new Date();
  const answer = await exchange({
    method: 'POST',
    url,
    headers: {
      'Content-Type': 'application/cloudevents+json; charset=utf-8',
      'User-Agent': 'imaging-hub',
      ...signedHeaders(keys, `test-${randomUUID()}`, Math.floor(now.getTime() / 1000), body.toString()),
    },
    body: { sizeBytes: body.byteLength, chunks: [body] },
    connectTimeoutMs: timeoutMs,
    idleTimeoutMs: timeoutMs,
    totalTimeoutMs: timeoutMs,
    signal,
    lookup: guard.lookup,
  }).catch((error: unknown) => noAnswer('test-event', error, url, target));
  if ('verdict' in answer) {
    yield answer;
    return;
  }
  yield* clockOf(answer, now);
  yield (
    refusedStatus('test-event', answer, url, {
      credentials:
        "The partner's endpoint does not accept our signature: compare the secret on both sides, and the clocks.",
      path: 'Ask the partner for the URL of the endpoint, and correct url of this destination.',
    }) ?? fine('test-event', `${placeOf(url)} took the signed test event (${answer.status})`)
  );
}

function readKeys(hook: Hook): readonly SigningKeys[] | Diagnosis {
  try {
    return hook.keys();
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'config.invalid') throw error;
    return wrong(
      'secret',
      'The secret for signatures cannot be used',
      `${String(error.fields['detail'])}.`,
      "Set the variable or make the file readable in the hub's own environment, which need not be this terminal's.",
    );
  }
}

/** The guard's no, before anything is asked of the network but the name. */
async function forbiddenBy(guard: AddressGuard, url: URL, host: string): Promise<Diagnosis | undefined> {
  try {
    guard.checkUrl(url);
    if (isIP(host) === 0) await resolved(guard, host);
    return undefined;
  } catch (error) {
    // A name that nobody knows has a diagnosis of its own.
    if (!(error instanceof HubError)) return undefined;
    return wrong(
      'address',
      `The hub does not call ${placeOf(url)}`,
      `${String(error.fields['detail'])}.`,
      `If the address is right and belongs to the partner, add ${host} to allowHosts of this destination.`,
    );
  }
}

async function resolved({ lookup }: AddressGuard, host: string): Promise<void> {
  await new Promise<void>((done, failed) => {
    lookup(host, { all: true }, (error) => {
      if (error === null) done();
      else failed(error);
    });
  });
}
