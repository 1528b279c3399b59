import { expect } from 'chai';
import { Kafka as CloudEventsKafka } from 'cloudevents';
import type { PositionedEvent } from '../../../../core/events.ts';
import { parseMessage, previousOf, toMessage } from '../../../../platform/bus/kafka/cloud-events.ts';

const EVENT: PositionedEvent = {
  position: 42,
  id: '01a20312-2d35-73bf-811c-5b9eff133000',
  type: 'study.unrouted',
  stream: 'hub.work.v1',
  key: '1.2.3',
  time: '2026-03-01T08:00:00.000Z',
  correlationId: 'association-1',
  causationId: '01a20312-2d27-71da-a7d1-1134a9e895e1',
  replayOf: '01a20312-2d27-71da-a7d1-1134a9e895e0',
  data: { studyInstanceUid: '1.2.3', revision: 1, instances: 2, routesTried: 3, configVersion: 'ä' },
};

const ORIGIN = { hubName: 'savilahti', ledgerId: 'first' };

describe('events as Kafka messages', () => {
  it('are binary CloudEvents: attributes in headers, data in the value, the study as key', () => {
    const message = toMessage(EVENT, ORIGIN);

    expect(message).to.deep.equal({
      key: '1.2.3',
      value: JSON.stringify(EVENT.data),
      timestamp: String(Date.parse(EVENT.time)),
      headers: {
        'content-type': 'application/json',
        ce_specversion: '1.0',
        ce_id: EVENT.id,
        ce_source: 'urn:hub:savilahti',
        ce_type: 'hub.study.unrouted.v1',
        ce_subject: '1.2.3',
        ce_time: EVENT.time,
        ce_dataschema: '/schemas/hub.study.unrouted.v1.json',
        ce_correlationid: 'association-1',
        ce_causationid: EVENT.causationId,
        ce_replayof: EVENT.replayOf,
        ce_ledgerposition: '42',
        ce_ledgerid: 'first',
      },
    });
  });

  it('read the same in the SDK of CloudEvents', () => {
    const { key, value, headers, timestamp } = toMessage(EVENT, ORIGIN);

    const received = { key, value, headers, timestamp, body: value };
    const read = [CloudEventsKafka.toEvent<unknown>(received)].flat()[0];

    expect({ ...read }).to.include({
      id: EVENT.id,
      source: 'urn:hub:savilahti',
      type: 'hub.study.unrouted.v1',
      subject: '1.2.3',
      specversion: '1.0',
      correlationid: 'association-1',
      ledgerposition: '42',
    });
    expect(read?.data).to.deep.equal(EVENT.data);
  });

  it('come back as they went', () => {
    const message = toMessage(EVENT, ORIGIN);

    expect(parseMessage(asReceived(message), 'hub.work.v1', ORIGIN)).to.deep.equal(EVENT);
  });

  it('say which was before them in their partition, where the relay knows', () => {
    const before = (previous?: number) => previousOf(asReceived(toMessage(EVENT, ORIGIN, previous)));

    expect([before(), before(0), before(41)]).to.deep.equal([undefined, 0, 41]);
    expect(previousOf({ headers: { ce_ledgerprevious: '-1' } })).to.equal(undefined);
  });

  it('tell a partner neither how much else happens nor what it followed from', () => {
    const { correlationId: _, causationId: __, replayOf: ___, ...plain } = EVENT;

    const { headers } = toMessage({ ...plain, stream: 'partner.kct.v1' }, ORIGIN, 41);

    expect(headers).to.not.have.any.keys(
      ...['ce_ledgerposition', 'ce_ledgerprevious', 'ce_ledgerid', 'ce_correlationid', 'ce_causationid'],
    );
  });

  const strange: readonly (readonly [string, (headers: Record<string, string>) => Record<string, string>, string?])[] =
    [
      ['has no attributes', () => ({})],
      ['is of another hub', (headers) => ({ ...headers, ce_source: 'urn:hub:other' })],
      ['is of the ledger before', (headers) => ({ ...headers, ce_ledgerid: 'earlier' })],
      ['is of a type nobody knows', (headers) => ({ ...headers, ce_type: 'hub.study.teleported.v1' })],
      ['is of another version of CloudEvents', (headers) => ({ ...headers, ce_specversion: '0.3' })],
      ['has no place', (headers) => ({ ...headers, ce_ledgerposition: 'first' })],
      ['has a place before the first', (headers) => ({ ...headers, ce_ledgerposition: '0' })],
      ['is no JSON', (headers) => headers, '{'],
      ['has a number for data', (headers) => headers, '7'],
    ];
  for (const [what, change, value] of strange) {
    it(`are not taken for one of ours when the message ${what}`, () => {
      const message = toMessage(EVENT, ORIGIN);

      const received = asReceived({ ...message, headers: change(message.headers), value: value ?? message.value });

      expect(parseMessage(received, 'hub.work.v1', ORIGIN)).to.equal(undefined);
    });
  }
});

function asReceived(message: {
  readonly key: string;
  readonly value: string;
  readonly headers: Record<string, string>;
}) {
  const headers = Object.fromEntries(Object.entries(message.headers).map(([name, text]) => [name, Buffer.from(text)]));
  return { key: Buffer.from(message.key), value: Buffer.from(message.value), headers };
}
