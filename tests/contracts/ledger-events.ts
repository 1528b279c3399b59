import { expect } from 'chai';
import type { NewEvent } from '../../core/ledger/common.ts';
import { groupLease } from '../../core/ledger/replicas.ts';
import type { TokenRow } from '../../core/ledger/tokens.ts';
import { waitFor } from '../support/wait-for.ts';
import { audited, hex, inbox, newRun, processed, received, record, type LedgerSuite } from './ledger-facts.ts';

/** UUIDv7: RFC 9562 Section 5.7. */
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const describeEvents: LedgerSuite = (subject) => {
  it('appends facts in order, with an identity, a time and a position', async () => {
    const { ledger, clock } = subject();

    await ledger.events.append([audited('a', 'first'), audited('b', 'second')]);
    clock.advance(5);
    await ledger.events.append([{ ...audited('a', 'third'), causationId: 'cause', replayOf: 'earlier' }]);

    const events = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 10 });
    expect(events.map(({ data }) => ('subject' in data ? data.subject : ''))).to.deep.equal([
      'first',
      'second',
      'third',
    ]);
    for (const { id } of events) expect(id).to.match(UUID_V7);
    expect(events.map(({ position }) => position)).to.deep.equal([1, 2, 3]);
    expect(events[2]).to.include({ time: '2026-03-01T08:00:00.005Z', causationId: 'cause', replayOf: 'earlier' });
    expect(await ledger.events.head()).to.equal(3);
  });

  it('reads pages of some streams and types in the order of the whole log', async () => {
    const { ledger } = subject();
    const run = newRun();
    for (let round = 0; round < 5; round += 1) {
      await ledger.events.append([audited(`actor-${round}`), processed(run)]);
      await record(ledger, received(round));
    }
    const streams = ['hub.result.v1', 'hub.ingest.v1'] as const;

    const all = await ledger.events.read({ streams, after: 0, limit: 100 });
    const pages = [];
    for (let after = 0; ;) {
      const page = await ledger.events.read({ streams, after, limit: 3 });
      pages.push(...page);
      if (page.length < 3) break;
      after = page.at(-1)?.position ?? after;
    }
    const typed = await ledger.events.read({ streams, types: ['instance.stored'], after: 0, limit: 100 });

    expect(all).to.have.length(10);
    expect(all.map(({ position }) => position)).to.deep.equal(
      all.map(({ position }) => position).toSorted((a, b) => a - b),
    );
    expect(pages).to.deep.equal(all);
    expect(typed).to.have.length(5);
    expect(await ledger.events.read({ streams: [], after: 0, limit: 9 })).to.deep.equal([]);
    expect(await ledger.events.read({ streams, types: [], after: 0, limit: 9 })).to.deep.equal([]);
  });

  it('appends with an inbox entry once', async () => {
    const { ledger } = subject();
    const seen = inbox('feed');

    const outcomes = [
      await ledger.events.append([audited('a')], seen),
      await ledger.events.append([audited('a')], seen),
      await ledger.events.append([audited('a')], { ...seen, group: 'audit' }),
    ];

    expect(outcomes).to.deep.equal(['recorded', 'already', 'recorded']);
    expect(await ledger.events.head()).to.equal(2);
  });

  it('takes an event with the identity of one it has for the same fact', async () => {
    const { ledger } = subject();
    const event: NewEvent = { ...audited('a'), id: '0195b1f0-0000-7000-8000-000000000001' };

    await ledger.events.append([event]);
    await ledger.events.append([event]);

    expect(await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 9 })).to.have.length(1);
  });

  it('appends nothing when one of the events is not what its schema says', async () => {
    const { ledger } = subject();
    const run = newRun();
    const wrong: readonly (readonly [string, NewEvent])[] = [
      ['a field too much', malformed(audited('a'), { extra: 1 })],
      ['a partner stream for what partners never see', { ...audited('a'), stream: 'partner.kct.v1' }],
      ['a partner stream with a correlation ID', { ...partnerEvent(), correlationId: 'association-1' }],
      ['64 KiB', audited('a', 'x'.repeat(70_000))],
      ['an identifier that is none', malformed(processed(run), { runId: 'x' })],
    ];

    for (const [what, event] of wrong) {
      const error = await ledger.events.append([audited('a'), event]).catch((thrown: unknown) => thrown);
      expect(error, what).to.be.instanceOf(Error);
    }

    expect(await ledger.events.head()).to.equal(0);
    await ledger.events.append([partnerEvent()]);
    expect(await ledger.events.head()).to.equal(1);
  });

  it('tells its listeners of commits that made work, and not of book-keeping', async () => {
    const { ledger } = subject();
    let calls = 0;
    const forget = ledger.onCommit(() => (calls += 1));

    await ledger.groups.open('router', 'earliest');
    await ledger.groups.commit('router', 0);
    const ofBookKeeping = calls;
    await ledger.events.append([audited('a')]);
    await waitFor('the listener', () => calls > 0);
    forget();
    const before = calls;
    await ledger.events.append([audited('a')]);
    await new Promise((turn) => setImmediate(turn));

    expect(ofBookKeeping).to.equal(0);
    expect(calls).to.equal(before);
  });

  it('keeps the place of a group and what it parked, over a restart', async () => {
    const { ledger, clock, reopen } = subject();
    await ledger.events.append([audited('a'), audited('b'), audited('a')]);
    const events = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 10 });
    const places = [await ledger.groups.open('early', 'earliest'), await ledger.groups.open('late', 'latest')];
    for (const [index, event] of events.entries()) {
      await ledger.groups.park('early', event, clock.now(), 'partner.busy', index);
    }
    await ledger.groups.park('early', events[0] ?? fail(), new Date(clock.now().getTime() + 500), 'partner.busy', 4);
    await ledger.groups.unpark('early', 2);
    await ledger.groups.commit('early', 3);

    const again = await reopen();

    expect(places).to.deep.equal([0, 3]);
    expect(await again.groups.open('early', 'latest')).to.equal(3);
    expect(await again.groups.parked('early')).to.deep.equal([
      { position: 1, key: 'a', attempts: 4, dueAt: new Date(clock.now().getTime() + 500) },
      { position: 3, key: 'a', attempts: 2, dueAt: clock.now() },
    ]);
    expect(await again.groups.parked('late')).to.deep.equal([]);
  });

  it('writes nothing of a group for whoever has lost its lease', async () => {
    const { ledger, clock } = subject();
    await ledger.events.append([audited('a'), audited('b')]);
    const [first] = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 1 });
    const event = first ?? fail();
    await ledger.groups.open('router', 'earliest');
    const old = (await ledger.leases.acquire(groupLease('router'), 'one', 1_000, clock.now())) ?? fail();
    const kept = [
      await ledger.groups.holds('router', old),
      await ledger.groups.commit('router', 1, old),
      await ledger.groups.park('router', event, clock.now(), 'partner.busy', 1, old),
    ];
    clock.advance(1_001);
    const fence = (await ledger.leases.acquire(groupLease('router'), 'other', 1_000, clock.now())) ?? fail();

    const lost = [
      await ledger.groups.holds('router', old),
      await ledger.groups.commit('router', 2, old),
      await ledger.groups.park('router', event, clock.now(), 'partner.busy', 9, old),
      await ledger.groups.unpark('router', 1, old),
    ];

    expect([kept, lost]).to.deep.equal([
      [true, true, true],
      [false, false, false, false],
    ]);
    expect(await ledger.groups.open('router', 'earliest')).to.equal(1);
    expect((await ledger.groups.parked('router')).map(({ attempts }) => attempts)).to.deep.equal([1]);
    expect(await ledger.groups.unpark('router', 1, fence)).to.equal(true);
  });

  it('moves a group, what it parked from there on, and ends the fence of whoever reads', async () => {
    const { ledger, clock } = subject();
    await ledger.events.append([audited('a'), audited('b'), audited('c')]);
    const events = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 3 });
    const fence = (await ledger.leases.acquire(groupLease('router'), 'one', 1_000, clock.now())) ?? fail();
    await ledger.groups.commit('router', 3, fence);
    for (const event of events) await ledger.groups.park('router', event, clock.now(), 'partner.busy', 1, fence);

    await ledger.groups.rewind('router', 2);

    expect(await ledger.groups.open('router', 'earliest')).to.equal(1);
    expect((await ledger.groups.parked('router')).map(({ position }) => position)).to.deep.equal([1]);
    expect(await ledger.groups.holds('router', fence)).to.equal(false);
    expect(await ledger.leases.renew(groupLease('router'), fence, 1_000, clock.now())).to.equal(false);
    expect(await ledger.leases.acquire(groupLease('router'), 'one', 1_000, clock.now())).to.be.greaterThan(fence);
  });

  it('counts what a group has not handled, parked or ahead, and how old it is', async () => {
    const { ledger, clock } = subject();
    await ledger.events.append([audited('a'), audited('b')]);
    clock.advance(2000);
    await ledger.events.append([audited('c')]);
    await ledger.groups.open('router', 'earliest');
    const [first] = await ledger.events.read({ streams: ['hub.audit.v1'], after: 0, limit: 1 });
    await ledger.groups.park('router', first ?? fail(), clock.now(), 'partner.busy', 1);
    await ledger.groups.commit('router', 2);
    clock.advance(1000);

    const behind = await ledger.groups.lag([{ group: 'router', streams: ['hub.audit.v1', 'hub.work.v1'] }]);
    await ledger.groups.unpark('router', 1);
    const ahead = await ledger.groups.lag([{ group: 'router', streams: ['hub.audit.v1'] }]);
    await ledger.groups.commit('router', 3);
    const none = await ledger.groups.lag([{ group: 'router', streams: ['hub.audit.v1'] }]);

    expect(behind).to.deep.equal([
      { group: 'router', stream: 'hub.audit.v1', events: 2, seconds: 3, parkedKeys: 1 },
      { group: 'router', stream: 'hub.work.v1', events: 0, seconds: 0, parkedKeys: 0 },
    ]);
    expect(ahead[0]).to.include({ events: 1, seconds: 1, parkedKeys: 0 });
    expect(none[0]).to.include({ events: 0, seconds: 0 });
  });

  it('finds only tokens that may be used now, and notes when', async () => {
    const { ledger, clock } = subject();
    const token = (tokenId: string, changes: Partial<TokenRow> = {}) => ({
      tokenId,
      role: 'operator' as const,
      createdAt: clock.now().toISOString(),
      secretSha256: hex(Number(tokenId)),
      ...changes,
    });
    await ledger.tokens.create(token('1'));
    await ledger.tokens.create(token('2', { expiresAt: new Date(clock.now().getTime() + 1000).toISOString() }));
    await ledger.tokens.create(token('3', { role: 'partner', partner: 'kct' }));
    const find = (number: number) => ledger.tokens.find(hex(number));

    const first = await find(1);
    const revoked = [await ledger.tokens.revoke('3'), await ledger.tokens.revoke('3'), await ledger.tokens.revoke('9')];
    const before = await find(2);
    clock.advance(1000);

    expect(first).to.deep.equal({ tokenId: '1', role: 'operator', createdAt: '2026-03-01T08:00:00.000Z' });
    expect(revoked).to.deep.equal([true, false, false]);
    expect(before?.tokenId).to.equal('2');
    expect([await find(2), await find(3), await find(4)]).to.deep.equal([undefined, undefined, undefined]);
    expect(
      (await ledger.tokens.list()).map(({ tokenId, lastUsedAt, revokedAt }) => ({ tokenId, lastUsedAt, revokedAt })),
    ).to.deep.equal([
      { tokenId: '1', lastUsedAt: '2026-03-01T08:00:00.000Z', revokedAt: undefined },
      { tokenId: '2', lastUsedAt: '2026-03-01T08:00:00.000Z', revokedAt: undefined },
      { tokenId: '3', lastUsedAt: undefined, revokedAt: '2026-03-01T08:00:00.000Z' },
    ]);
  });

  it('lists tokens in pages, the newest first, and to a partner no place of another', async () => {
    const { ledger, clock } = subject();
    for (const [tokenId, partner] of [
      ...([['1', 'kct'] as const, ['2', 'uef'] as const] as const),
      ...([['3', 'kct'] as const, ['4', 'kct'] as const] as const),
    ]) {
      const createdAt = clock.now().toISOString();
      await ledger.tokens.create({ tokenId, role: 'partner', partner, createdAt, secretSha256: hex(Number(tokenId)) });
      // The last two are of one moment.
      if (tokenId !== '3') clock.advance(1000);
    }
    const page = async (before?: string, partner?: string) =>
      (
        await ledger.tokens.page({
          limit: 2,
          ...(before === undefined ? {} : { before }),
          ...(partner === undefined ? {} : { partner }),
        })
      ).map(({ tokenId }) => tokenId);

    const refused = await Promise.all(
      [page('9'), page('2', 'kct')].map((each) => each.catch((error: unknown) => error)),
    );

    expect([await page(), await page('3'), await page('1')]).to.deep.equal([['4', '3'], ['2', '1'], []]);
    expect([await page(undefined, 'kct'), await page('3', 'kct')]).to.deep.equal([['4', '3'], ['1']]);
    for (const error of refused) expect(error).to.include({ code: 'request.invalid' });
    expect(String(refused[0])).to.equal(String(refused[1]));
  });
};

function partnerEvent(): NewEvent {
  return {
    type: 'study.processed',
    stream: 'partner.kct.v1',
    key: '2.25.1',
    data: { studyInstanceUid: '2.25.1', revision: 1, instances: 1, artefacts: 0, destinations: [] },
  } as unknown as NewEvent;
}

function malformed(event: NewEvent, changes: Readonly<Record<string, unknown>>): NewEvent {
  return { ...event, data: { ...event.data, ...changes } } as unknown as NewEvent;
}

function fail(): never {
  throw new Error('an event is missing');
}
