/** Tells a partner's endpoint that a study's results are there: signed, with pseudonymous identifiers only. */
import { EVENTS, wireType } from '../../core/events.ts';
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { Connector, ConnectorContext, DeliveryOrder, ProbeContext } from '../../core/plugins.ts';
import { refusalOf } from '../exchange.ts';
import { createAddressGuard } from './address-guard.ts';
import { createPoster } from './post.ts';
import { probeWebhook } from './probe.ts';
import { parseSecret, parseSigningKey, signedHeaders, type SigningKeys } from './signature.ts';
import type { WebhookOptions } from './options.ts';

/** Standard Webhooks asks for 15 to 30 s. */
const TIMEOUT_MS = 15_000;
/** Keeps the body below 64 KB, the size of an event; the folder or archive delivery holds the whole list. */
const MAX_FILES = 200;

export function open(given: WebhookOptions, context: ConnectorContext): Connector {
  const url = new URL(given.url);
  const poster = createPoster(createAddressGuard(given.allowHosts));
  const keys = keysOf(given, context);

  return {
    deliver: async (order) => {
      const body = bodyOf(order, context.hubName);
      const answer = await poster.post({
        url,
        headers: {
          'Content-Type': 'application/cloudevents+json; charset=utf-8',
          'User-Agent': 'imaging-hub',
          // The delivery's id: the same for each attempt, so that the partner sees a repeat.
          ...signedHeaders(keys, order.deliveryId, Math.floor(Date.now() / 1000), body),
        },
        body,
        timeoutMs: TIMEOUT_MS,
        signal: order.signal,
      });
      // 410 Gone, too, is a refusal for good: the partner has taken the endpoint away.
      if (answer.status < 200 || answer.status >= 300) throw refusalOf(answer);
    },
    close: () => {
      poster.close();
      return Promise.resolve();
    },
  };
}

export function probe(given: WebhookOptions, context: ProbeContext): AsyncIterable<Diagnosis> {
  return probeWebhook(
    {
      url: new URL(given.url),
      guard: createAddressGuard(given.allowHosts),
      keys: () => keysOf(given, context),
      timeoutMs: TIMEOUT_MS,
    },
    context,
  );
}

function keysOf(
  { secret, previousSecret, signingKey }: WebhookOptions,
  context: Pick<ConnectorContext, 'secret'>,
): readonly SigningKeys[] {
  const references = [secret, ...(previousSecret === undefined ? [] : [previousSecret])];
  const ed25519 = signingKey === undefined ? undefined : parseSigningKey(context.secret(signingKey));
  return references.map((reference, index) => ({
    hmac: parseSecret(context.secret(reference)),
    ...(index > 0 || ed25519 === undefined ? {} : { ed25519 }),
  }));
}

/** `study.processed` as the partner may know it. Without a time, so that each attempt sends the very same text. */
function bodyOf(order: DeliveryOrder, hubName: string): string {
  const artefacts = order.items.filter((item) => item.kind === 'artefact');
  const type = wireType('study.processed');
  const data = EVENTS['study.processed'].partner.parse({
    studyInstanceUid: order.studyInstanceUid,
    revision: order.revision,
    instances: order.items.length - artefacts.length,
    artefacts: artefacts.length,
    destinations: [order.destination],
    files: artefacts
      .slice(0, MAX_FILES)
      .map(({ name, mediaType, sizeBytes, sha256 }) => ({ name, mediaType, sizeBytes, sha256 })),
  });
  return JSON.stringify({
    specversion: '1.0',
    id: order.deliveryId,
    source: `urn:hub:${hubName}`,
    type,
    subject: order.studyInstanceUid,
    datacontenttype: 'application/json',
    dataschema: `/schemas/partner/${type}.json`,
    data,
  });
}
