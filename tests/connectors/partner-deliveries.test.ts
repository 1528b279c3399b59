import { expect } from 'chai';
import { HubError } from '../../core/errors.ts';
import type { DeliveryOrder } from '../../core/plugins.ts';
import type { PartnerGrant } from '../../core/partners.ts';
import type { ArtefactItem, RunItem } from '../../core/store.ts';
import { releasedItem } from '../contracts/ledger-facts.ts';
import { grantOnly } from '../support/grants.ts';
import { waitFor } from '../support/wait-for.ts';
import { dispatching, to } from './dispatching.ts';

describe('what the dispatcher gives a partner', () => {
  const at = dispatching();
  const { start, process, delivery, inState, events } = at;

  it('gives nothing to a partner whose access has ended, until it is granted again, and others meanwhile theirs', async () => {
    const got: string[] = [];
    const grant = async (change: PartnerGrant) => {
      await grantOnly(at.ledger, 'kct', change);
      at.partners.forget();
    };
    for (const ended of [{ suspended: true }, { expiresAtMs: at.clock.now().getTime() }]) {
      got.length = 0;
      await grant(ended);
      const dispatcher = await start([
        to('kct-pacs', async ({ destination }) => void got.push(destination), { partner: 'kct' }),
        to('own', async ({ destination }) => void got.push(destination)),
      ]);

      const run = await process(['kct-pacs', 'own'], [releasedItem(1)], 'kct');
      await inState(run, 'own', 'succeeded');
      const before = [...got];
      await grant({});
      // A commit that makes work wakes the dispatcher.
      await process(['own'], [releasedItem(1)], 'kct');
      const row = await inState(run, 'kct-pacs', 'succeeded');

      expect([before, row.attempts]).to.deep.equal([['own'], 1]);
      await dispatcher.stop(0);
    }
  });

  it('makes a dead letter of what a partner is not entitled to by its route or its time', async () => {
    let sent = 0;
    await grantOnly(at.ledger, 'kct', { routes: ['another'] });
    await grantOnly(at.ledger, 'uef', { fromMs: at.clock.now().getTime() + 60_000 });
    await start([
      to('kct-pacs', async () => void (sent += 1), { partner: 'kct' }),
      to('uef-pacs', async () => void (sent += 1), { partner: 'uef' }),
    ]);

    const run = await process(
      ['kct-pacs', 'uef-pacs'],
      [releasedItem(1), { ...releasedItem(2), releasedFor: 'uef' }],
      'kct',
    );

    const rows = [await inState(run, 'kct-pacs', 'dead'), await inState(run, 'uef-pacs', 'dead')];
    expect(rows.map(({ code }) => code)).to.deep.equal(['policy.unsafe', 'policy.unsafe']);
    expect(sent).to.equal(0);
  });

  it('gives a partner only what was released for it', async () => {
    const orders: DeliveryOrder[] = [];
    await start([
      to('kct-pacs', async (order) => void orders.push(order), { partner: 'kct' }),
      to('own', async (order) => void orders.push(order)),
    ]);
    const { releasedFor: _, ...original } = releasedItem(2);
    const items: readonly RunItem[] = [releasedItem(1), original, { ...releasedItem(3), releasedFor: 'other' }];

    const run = await process(['kct-pacs', 'own'], items, 'kct');

    await inState(run, 'kct-pacs', 'succeeded');
    await inState(run, 'own', 'succeeded');
    const sent = Object.fromEntries(
      orders.map(({ destination, items: given }) => [destination, given.map(({ releasedFor }) => releasedFor)]),
    );
    expect(sent).to.deep.equal({ 'kct-pacs': ['kct'], own: ['kct', undefined, 'other'] });
    const [forPartner] = (await events('delivery.succeeded')).filter(({ data }) => 'partner' in data);
    expect(forPartner?.data).to.include({ destination: 'kct-pacs', partner: 'kct' });
  });

  it('makes a dead letter of what has nothing for the partner, and does not tell the partner', async () => {
    let asked = 0;
    await start([to('kct-pacs', async () => void (asked += 1), { partner: 'kct' })]);

    const run = await process(['kct-pacs'], [{ ...releasedItem(1), releasedFor: 'other' }], 'other');

    const { history } = await inState(run, 'kct-pacs', 'dead');
    expect([asked, history.map(({ code, retry }) => [code, retry])]).to.deep.equal([
      0,
      [['policy.unsafe', 'permanent']],
    ]);
    const [dead] = await events('delivery.dead-lettered');
    expect(dead?.data).to.include({ reason: 'policy.unsafe' }).and.not.to.have.property('partner');
  });

  it('does not let a study UID out that is not the pseudonym the partner has', async () => {
    let asked = 0;
    await start([to('kct-pacs', async () => void (asked += 1), { partner: 'kct' })]);

    const run = await process(['kct-pacs'], [{ ...releasedItem(1), studyInstanceUid: '2.25.8' }], 'kct');

    const { history } = await inState(run, 'kct-pacs', 'dead');
    expect([asked, history[0]?.code]).to.deep.equal([0, 'policy.unsafe']);
    expect((await events('delivery.dead-lettered'))[0]?.data).not.to.have.property('partner');
  });

  const artefact = (changes: Partial<ArtefactItem> = {}): ArtefactItem => ({
    kind: 'artefact',
    name: 'qc/report.json',
    mediaType: 'application/json',
    derivedBy: 'qc',
    blob: releasedItem(1).blob,
    sizeBytes: 1,
    sha256: releasedItem(1).sha256,
    releasedFor: 'kct',
    ...changes,
  });
  const { releasedFor: _, ...original } = releasedItem(1);
  for (const [what, items] of [
    ['files without an instance that proves the pseudonym', [artefact()]],
    ['files beside instances that were not released', [artefact(), original]],
    ['a file of a series that was not released', [artefact({ seriesInstanceUid: '1.2.3.4' }), releasedItem(1)]],
  ] as const)
    it(`gives a partner no ${what}`, async () => {
      let asked = 0;
      await start([to('kct-pacs', async () => void (asked += 1), { partner: 'kct' })]);

      const run = await process(['kct-pacs'], items, 'kct');

      const { history } = await inState(run, 'kct-pacs', 'dead');
      expect([asked, history[0]?.code]).to.deep.equal([0, 'policy.unsafe']);
      expect((await events('delivery.dead-lettered'))[0]?.data).not.to.have.property('partner');
    });

  it('does not give a partner what was meant for whom its destination belonged to before, nor everything to nobody', async () => {
    const before = await start([
      to('moved', () => Promise.reject(new HubError('partner.refused', {})), { partner: 'kct' }),
      to('freed', () => Promise.reject(new HubError('partner.refused', {})), { partner: 'kct' }),
    ]);
    const run = await process(['moved', 'freed'], [releasedItem(1), original], 'kct');
    const dead = [await inState(run, 'moved', 'dead'), await inState(run, 'freed', 'dead')];
    await before.stop(0);
    let asked = 0;
    await start([
      to('moved', async () => void (asked += 1), { partner: 'uef' }),
      to('freed', async () => void (asked += 1)),
    ]);

    for (const { deliveryId } of dead) await at.ledger.deliveries.replay(deliveryId);

    for (const name of ['moved', 'freed']) {
      const row = await waitFor('the second end', async () => {
        const found = await delivery(run, name);
        return found?.history.length === 2 ? found : undefined;
      });
      expect([row.state, row.history[1]?.code]).to.deep.equal(['dead', 'policy.unsafe']);
    }
    expect(asked).to.equal(0);
  });
});
