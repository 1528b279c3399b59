/** The documents that other people's tools read, held against the specifications by tools that other people keep. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { createApiRouter } from '../../api/router.ts';
import { endOf, messageOf } from '../../connectors/kafka-topic/messages.ts';
import { EVENTS, toCloudEvent, wireType, type EventType, type PositionedEvent } from '../../core/events.ts';
import { toMessage } from '../../platform/bus/kafka/cloud-events.ts';
import { MemoryStore, mrImage, orderOf } from '../support/outgoing.ts';
import { openTestLedger } from '../support/open-ledger.ts';
import { type PartnerHub, partnerSettings, startPartnerHub } from '../support/partner-hub.ts';
import { startHttp } from '../support/running-http.ts';
import { silentLog } from '../support/silent-log.ts';
import { createToken } from '../../platform/auth/token.ts';

const require = createRequire(import.meta.url);
const read = (file: string) => readFileSync(new URL(`../../docs/${file}`, import.meta.url), 'utf8');

interface AsyncApi {
  readonly channels: Record<string, { messages: Record<string, { $ref: string }> }>;
  readonly components: {
    readonly messages: Record<string, { payload: unknown }>;
    readonly schemas: Record<string, object>;
  };
}

describe('docs/asyncapi.yaml', () => {
  const document = parse(read('asyncapi.yaml')) as AsyncApi;

  it('is AsyncAPI 3.0.0 by its own schema', () => {
    const { schemasWithoutId } = require('@asyncapi/specs') as { schemasWithoutId: Record<string, object> };
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });

    const isValid = ajv.validate(schemasWithoutId['3.0.0'] ?? {}, document);

    expect([isValid, ajv.errors?.slice(0, 5)]).to.deep.equal([true, undefined]);
  });

  it('refers to nothing that is not there, and leaves nothing out', () => {
    const text = JSON.stringify(document);
    const broken = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)]
      .map(([, path = '']) => path)
      .filter((path) => find(document, path) === undefined);
    const partnerTypes = Object.entries(EVENTS)
      .filter(([, entry]) => 'partner' in entry)
      .map(([type]) => wireType(type as EventType));

    expect(broken).to.deep.equal([]);
    expect(Object.keys(document.channels['partner.stream']?.messages ?? {})).to.deep.equal(partnerTypes);
    for (const [type, { stream }] of Object.entries(EVENTS))
      expect(document.channels[stream]?.messages).to.have.property(wireType(type as EventType));
  });

  it('says of a kafka-topic destination and of a partner’s topic what is sent, headers and data', async () => {
    const store = new MemoryStore();
    const order = orderOf([await store.instance(mrImage(1)), store.artefact('qc/report.json', '{}')]);
    const options = { hubName: 'savilahti', link: 'https://pacs.example.org/studies/{study}' };
    const sent = [...order.items.map((item) => messageOf(order, item, options)), endOf(order, 'savilahti')];
    const data = { webhookId: '6f4c2c1e-8d6b-4c52-9a53-0d0b5d1f2a11', reason: 'gone' };
    const ofPartner = toMessage(
      {
        ...{ id: '6f4c2c1e-8d6b-4c52-9a53-0d0b5d1f2a12', type: 'webhook.disabled', stream: 'partner.kct.v1' },
        ...{ key: data.webhookId, time: '2026-03-01T08:00:00.000Z', position: 7, data },
      } as unknown as PositionedEvent,
      { hubName: 'savilahti', ledgerId: 'x' },
    );
    const ajv = new Ajv({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'https://hub.example.org/asyncapi' });
    const fits = (message: string, part: string, value: unknown) =>
      ajv.compile({ $ref: `https://hub.example.org/asyncapi#/components/messages/${message}/${part}` })(value);

    expect(Object.keys(document.channels['destination.topic']?.messages ?? {})).to.deep.equal(
      sent.map(({ headers }) => headers['ce_type']),
    );
    for (const { headers, value } of sent) {
      const message = `destination.${headers['ce_type'] ?? ''}`;
      expect([fits(message, 'headers', headers), fits(message, 'payload', JSON.parse(value))]).to.deep.equal([
        true,
        true,
      ]);
      expect(fits(message, 'payload', {}), message).to.equal(false);
    }
    const partners = `kafka.partner.${ofPartner.headers['ce_type'] ?? ''}`;
    expect([fits(partners, 'headers', ofPartner.headers), fits(partners, 'payload', data)]).to.deep.equal([true, true]);
  });

  it('says of a webhook what is sent', () => {
    const data = { webhookId: '6f4c2c1e-8d6b-4c52-9a53-0d0b5d1f2a11', reason: 'gone' } as const;
    const event = toCloudEvent(
      {
        ...{ id: '6f4c2c1e-8d6b-4c52-9a53-0d0b5d1f2a12', type: 'webhook.disabled', stream: 'partner.kct.v1' },
        ...{ key: data.webhookId, time: '2026-03-01T08:00:00.000Z', data: { ...data, partner: 'x' } },
      },
      'savilahti',
    );
    const ajv = new Ajv({ strict: false, validateFormats: false });
    ajv.addSchema({ ...document, $id: 'https://hub.example.org/asyncapi' });
    const validate = ajv.compile({
      $ref: 'https://hub.example.org/asyncapi#/components/messages/webhook.hub.webhook.disabled.v1/payload',
    });

    expect([validate({ ...event, data }), validate({ ...event, data: { reason: 'x' } })]).to.deep.equal([true, false]);
  });
});

describe('the OpenAPI documents', () => {
  let hub: PartnerHub;
  before(async () => {
    hub = await startPartnerHub([partnerSettings('kct')]);
  });
  after(() => hub.stop());

  it('of the partner API is OpenAPI 3.1, and the one that is written down', async () => {
    const served = (await (await fetch(`${hub.http.url}/partner/v1/openapi.json`)).json()) as Record<string, unknown>;

    const { valid, errors } = await new Validator().validate(structuredClone(served));

    expect([valid, errors]).to.deep.equal([true, undefined]);
    expect(served).to.deep.equal(JSON.parse(read('openapi-partner.json')));
    expect(served['openapi']).to.equal('3.1.0');
    expectUniqueIds(served);
  });

  it('of the administration API is OpenAPI 3.1', async () => {
    const { ledger, remove } = await openTestLedger();
    const http = await startHttp(ledger, (access) => [
      {
        path: '/api/v1',
        router: createApiRouter({
          ...{ ledger, access, log: silentLog, hubName: 'savilahti', mintToken: createToken },
          clock: { now: () => new Date() },
          catalogue: () => ({ configVersion: '', routes: [], partners: [], destinations: [], policies: [] }),
        }),
      },
    ]);
    const served = (await (await fetch(`${http.url}/api/v1/openapi.json`)).json()) as Record<string, unknown>;
    await http.stop();
    await remove();

    const { valid, errors } = await new Validator().validate(structuredClone(served));

    expect([valid, errors]).to.deep.equal([true, undefined]);
    expectUniqueIds(served);
  });
});

function expectUniqueIds(document: Record<string, unknown>): void {
  const paths = document['paths'] as Record<string, Record<string, { operationId: string }>>;
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  expect(new Set(ids).size).to.equal(ids.length);
}

function find(document: unknown, path: string): unknown {
  return path
    .split('/')
    .reduce<unknown>(
      (value, key) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined,
      document,
    );
}
