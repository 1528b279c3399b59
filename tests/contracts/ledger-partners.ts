import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../core/ledger.ts';
import type { NewEvent } from '../../core/ledger/common.ts';
import { partnerStream } from '../../core/partners.ts';
import {
  completeStudy,
  hex,
  inbox,
  newRun,
  releasedItem,
  startRun,
  type LedgerSuite,
  type TestClock,
} from './ledger-facts.ts';
import { grantOnly } from '../support/grants.ts';

function projected(partner: string, study = '2.25.1'): NewEvent {
  return {
    type: 'study.processed',
    stream: partnerStream(partner),
    key: study,
    route: 'rat-brain',
    // On a partner's stream the data has the partner's schema.
    data: { studyInstanceUid: study, revision: 1, instances: 1, artefacts: 0, destinations: [] },
  } as unknown as NewEvent;
}

/** A processed run of the test's study with two results. */
async function processedRun(ledger: Ledger, clock: TestClock) {
  await completeStudy(ledger, clock);
  const run = await startRun(ledger, { steps: [{ processor: 'deidentify', argument: 'kct' }] });
  const [job] = await ledger.runs.claim('worker-1', 30_000, clock.now(), 1);
  if (job === undefined) throw new Error('nothing to claim');
  await ledger.runs.finishStep(job.jobId, job.fence, { items: [releasedItem(1), releasedItem(2)], events: [] });
  return run;
}

const release = (runId: string, partner = 'kct', studyInstanceUid = '2.25.1') => ({
  partner,
  studyInstanceUid,
  runId,
  route: 'rat-brain',
  releasedAtMs: 1_000,
});

export const describePartners: LedgerSuite = (subject) => {
  it('projects a fact once, and with it what the partner may retrieve', async () => {
    const { ledger, clock } = subject();
    const run = await processedRun(ledger, clock);
    const seen = inbox('feed');

    const outcomes = [
      await ledger.partners.project(seen, [projected('kct')], release(run.runId)),
      await ledger.partners.project(seen, [projected('kct')], release(run.runId)),
    ];

    expect(outcomes).to.deep.equal(['recorded', 'already']);
    const [found, ...more] = await ledger.partners.releasesOf('kct', '2.25.1');
    expect(found).to.deep.include({ ...release(run.runId), revision: 1 });
    expect(more).to.deep.equal([]);
    const [event, ...others] = await ledger.events.read({ streams: ['partner.kct.v1'], after: 0, limit: 9 });
    expect([event?.route, others]).to.deep.equal(['rat-brain', []]);
  });

  it('knows no release of another partner, whoever asks by whatever name', async () => {
    const { ledger, clock } = subject();
    const run = await processedRun(ledger, clock);
    await ledger.partners.project(inbox('feed'), [projected('kct')], release(run.runId));

    const answers = [
      await ledger.partners.releasesOf('uef', '2.25.1'),
      await ledger.partners.releasesOf('kct', run.studyInstanceUid),
      await ledger.partners.releases('uef', { limit: 9 }),
    ];

    expect(answers).to.deep.equal([[], [], []]);
  });

  it('lists releases newest first, page by page', async () => {
    const { ledger, clock } = subject();
    await completeStudy(ledger, clock);
    const runs = [newRun(), newRun(), newRun()];
    await ledger.runs.open(inbox('router'), runs[0]?.studyInstanceUid ?? newRun().studyInstanceUid, runs, []);
    for (const { runId } of runs) await ledger.partners.project(inbox('feed'), [], release(runId));

    const first = await ledger.partners.releases('kct', { limit: 2 });
    const second = await ledger.partners.releases('kct', { limit: 2, before: first[1]?.releaseId ?? '' });

    expect([...first, ...second].map(({ runId }) => runId)).to.deep.equal(runs.map(({ runId }) => runId).toReversed());
  });

  it('shows a partner the deliveries of what was released to it, with their attempts and nothing of the hub', async () => {
    const { ledger, clock } = subject();
    const run = await processedRun(ledger, clock);
    await ledger.partners.project(inbox('feed'), [projected('kct')], release(run.runId));
    const [ours, unreleased, others] = [randomUUID(), randomUUID(), randomUUID()];
    const delivery = (deliveryId: string, partner: string, releasedStudyInstanceUid: string) => ({
      deliveryId,
      runId: run.runId,
      destination: `${partner}-pacs`,
      partner,
      releasedStudyInstanceUid,
    });
    await ledger.deliveries.open(inbox('dispatcher'), [
      delivery(ours, 'kct', '2.25.1'),
      // Nothing was released for the partner under this UID: it may be the original one.
      delivery(unreleased, 'kct', run.studyInstanceUid),
      delivery(others, 'uef', '2.25.1'),
    ]);
    const claimed = await ledger.deliveries.claim('d', 30_000, clock.now(), { 'kct-pacs': 1 });
    await ledger.deliveries.fail(
      ours,
      claimed[0]?.fence ?? 0,
      {
        attempt: 1,
        startedAt: clock.now().toISOString(),
        durationMs: 5,
        outcome: 'failed',
        code: 'partner.busy',
        detail: 'inner name',
      },
      [],
      clock.now(),
      [],
    );

    const listed = await ledger.partners.deliveries('kct', { limit: 9 });
    const found = await ledger.partners.delivery('kct', ours);

    expect(listed.map(({ deliveryId }) => deliveryId)).to.deep.equal([ours]);
    expect(found?.history).to.deep.equal([
      { attempt: 1, startedAt: clock.now().toISOString(), durationMs: 5, outcome: 'failed', code: 'partner.busy' },
    ]);
    expect(JSON.stringify(found)).not.to.contain('inner name').and.not.to.contain(run.studyInstanceUid);
    expect([
      await ledger.partners.delivery('kct', unreleased),
      await ledger.partners.delivery('kct', others),
      await ledger.partners.delivery('uef', ours),
      await ledger.partners.delivery('kct', randomUUID()),
    ]).to.deep.equal([undefined, undefined, undefined, undefined]);
    expect(await ledger.partners.deliveries('kct', { limit: 9, state: 'dead' })).to.deep.equal([]);
    expect(await ledger.partners.deliveries('kct', { limit: 9, before: others })).to.deep.equal([]);
  });

  it('finds the place before a time in a stream', async () => {
    const { ledger, clock } = subject();
    const append = () => ledger.events.append([projected('kct'), projected('uef')]);
    const times = [clock.now()];
    await append();
    times.push(clock.advance(60_000));
    await append();
    times.push(clock.advance(60_000));

    const after = async (at: Date) => {
      const position = await ledger.partners.positionBefore('partner.kct.v1', at);
      return (await ledger.events.read({ streams: ['partner.kct.v1'], after: position, limit: 9 })).length;
    };

    const [first, second, third] = times.map((time) => new Date(time));
    if (first === undefined || second === undefined || third === undefined) throw new Error('three times');
    expect([await after(new Date(0)), await after(first), await after(second), await after(third)]).to.deep.equal([
      2, 2, 1, 0,
    ]);
    expect(await ledger.partners.positionBefore('partner.nobody.v1', first)).to.equal(0);
  });

  it('keeps what was granted, the last one', async () => {
    const { ledger, clock } = subject();
    await grantOnly(ledger, 'kct', { suspended: true });
    await grantOnly(ledger, 'kct', { types: ['study.processed'], quotas: { webhooks: 1 } });

    expect(await ledger.partners.grants()).to.deep.equal([
      {
        partner: 'kct',
        grant: { types: ['study.processed'], quotas: { webhooks: 1 } },
        changedAt: clock.now().toISOString(),
      },
    ]);
  });

  it('lets all who change a grant at the same moment have their way, and keeps who asked for what', async () => {
    const { ledger } = subject();

    await Promise.all([
      ledger.partners.changeGrant('kct', { suspended: true, routes: ['rat'] }, 'ann'),
      ledger.partners.changeGrant('kct', { expiresAtMs: 5_000 }, 'bob'),
      ledger.partners.changeGrant('kct', { quotas: { webhooks: 1 } }, 'cat'),
      ledger.partners.changeGrant('kct', { quotas: { streams: 2 } }, 'dan'),
    ]);
    await ledger.partners.changeGrant('kct', { routes: null, quotas: { webhooks: 3 } }, 'eve');

    const [row] = await ledger.partners.grants();
    expect(row?.grant).to.deep.equal({ suspended: true, expiresAtMs: 5_000, quotas: { webhooks: 3, streams: 2 } });
    const changes = await ledger.partners.changes('kct', 9);
    expect(changes[0]).to.deep.include({ actor: 'eve', change: { routes: null, quotas: { webhooks: 3 } } });
    expect(changes.map(({ actor }) => actor)).to.have.members(['ann', 'bob', 'cat', 'dan', 'eve']);
    expect(await ledger.partners.changes('kct', 2)).to.have.length(2);
    expect(await ledger.partners.changes('uef', 9)).to.deep.equal([]);
  });

  it('makes a partner once, of a name that has no past, up to so many', async () => {
    const { ledger, clock } = subject();
    await ledger.tokens.create({
      ...{ tokenId: 'token-1', secretSha256: hex(1), role: 'partner' as const, partner: 'former' },
      createdAt: clock.now().toISOString(),
    });
    await ledger.events.append([projected('told')]);
    const make = (name: string, limit = 9) =>
      ledger.partners.register({ name, contact: 'a@example.org' }, { expiresAtMs: 9_000 }, 'ann', limit);

    const outcomes = await Promise.all([make('kct'), make('kct'), make('former'), make('told'), make('uef')]);

    expect(outcomes.toSorted()).to.deep.equal(['made', 'made', 'taken', 'taken', 'taken']);
    expect(await make('more', 2)).to.equal('too-many');
    expect(await ledger.partners.registered()).to.deep.equal(
      ['kct', 'uef'].map((name) => ({ name, contact: 'a@example.org', createdAt: clock.now().toISOString() })),
    );
    expect((await ledger.partners.grants()).map(({ partner, grant }) => [partner, grant])).to.deep.equal([
      ['kct', { expiresAtMs: 9_000 }],
      ['uef', { expiresAtMs: 9_000 }],
    ]);
  });

  it('lets a partner have only so many tokens at once by replacing them', async () => {
    const { ledger, clock } = subject();
    const token = (id: number) => ({
      ...{ tokenId: `token-${String(id)}`, secretSha256: hex(id), role: 'partner' as const, partner: 'kct' },
      createdAt: clock.now().toISOString(),
    });
    const later = new Date(clock.now().getTime() + 60_000);
    await ledger.tokens.create(token(1));
    await ledger.tokens.create({ ...token(9), partner: 'uef' });
    const replace = (id: number, until: Date) => ledger.tokens.replace('token-1', token(id), until, 2);

    expect(await replace(2, later)).to.equal('replaced');
    expect(await replace(3, later)).to.equal('too-many');
    expect(await ledger.tokens.replace('token-2', token(4), clock.now(), 2)).to.equal('replaced');
    clock.advance(61_000);
    expect(await ledger.tokens.replace('token-4', token(5), new Date(clock.now().getTime() + 1_000), 2)).to.equal(
      'replaced',
    );
    expect((await ledger.tokens.ofPartner('kct')).map(({ tokenId }) => tokenId)).to.deep.equal([
      'token-1',
      'token-2',
      'token-4',
      'token-5',
    ]);
  });

  it('replaces a token by another of the same partner, and the old one ends no later than it would have', async () => {
    const { ledger, clock } = subject();
    const token = (id: number, changes: Readonly<Record<string, unknown>> = {}) => ({
      tokenId: hex(id).slice(0, 12),
      secretSha256: hex(id),
      role: 'partner' as const,
      partner: 'kct',
      createdAt: clock.now().toISOString(),
      scopes: ['feed:read'] as const,
      ...changes,
    });
    const soon = new Date(clock.now().getTime() + 1_000);
    const later = new Date(clock.now().getTime() + 60_000);
    const [one, short, foreign] = [
      token(0x1_000_000_000),
      { ...token(2), tokenId: 'short', expiresAt: soon.toISOString() },
      { ...token(3), tokenId: 'foreign', partner: 'uef' },
    ];
    for (const each of [one, short, foreign]) await ledger.tokens.create(each);

    const replaced = [
      await ledger.tokens.replace(one.tokenId, { ...token(4), tokenId: 'four' }, later, 9),
      await ledger.tokens.replace('short', { ...token(5), tokenId: 'five' }, later, 9),
      await ledger.tokens.replace('foreign', { ...token(6), tokenId: 'six' }, later, 9),
      await ledger.tokens.replace('nobody', { ...token(7), tokenId: 'seven' }, later, 9),
    ];

    expect(replaced).to.deep.equal(['replaced', 'replaced', 'not-found', 'not-found']);
    const expiries = Object.fromEntries(
      (await ledger.tokens.ofPartner('kct')).map(({ tokenId, expiresAt }) => [tokenId, expiresAt]),
    );
    expect(expiries).to.deep.equal({
      [one.tokenId]: later.toISOString(),
      short: soon.toISOString(),
      four: undefined,
      five: undefined,
    });
    expect((await ledger.tokens.find(hex(4)))?.scopes).to.deep.equal(['feed:read']);
    clock.advance(2_000);
    expect(await ledger.tokens.find(hex(2))).to.equal(undefined);
    expect(await ledger.tokens.replace('short', { ...token(8), tokenId: 'eight' }, later, 9)).to.equal('not-found');
  });
};
