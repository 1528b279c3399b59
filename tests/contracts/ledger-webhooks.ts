import { expect } from 'chai';
import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../core/ledger.ts';
import type { NewEvent } from '../../core/ledger/common.ts';
import type { LeasedMessage, NewWebhook, WebhookAttempt } from '../../core/ledger/webhooks.ts';
import { partnerStream } from '../../core/partners.ts';
import type { LedgerSuite, TestClock } from './ledger-facts.ts';

const SECRET = { sealed: 'sealed-1', publicKey: 'whpk_1' };
const KCT = ['kct'];

function newWebhook(changes: Partial<NewWebhook> = {}): NewWebhook {
  return {
    webhookId: randomUUID(),
    partner: 'kct',
    url: 'https://hooks.example.org/a',
    ordered: false,
    secret: SECRET,
    ...changes,
  };
}

function projected(study = '2.25.1', type: 'study.processed' | 'webhook.disabled' = 'study.processed'): NewEvent {
  const data =
    type === 'study.processed'
      ? { studyInstanceUid: study, revision: 1, instances: 1, artefacts: 0, destinations: [] }
      : { webhookId: randomUUID(), reason: 'gone' };
  return { type, stream: partnerStream('kct'), key: study, data } as unknown as NewEvent;
}

const attempt = (number: number, changes: Partial<WebhookAttempt> = {}): WebhookAttempt => ({
  attempt: number,
  startedAt: '2026-03-01T08:00:00.000Z',
  durationMs: 12,
  outcome: 'succeeded',
  status: 200,
  ...changes,
});
const FAILED = { outcome: 'failed', status: 503, code: 'partner.busy' } as const;

const claim = (ledger: Ledger, clock: TestClock, changes: { perWebhook?: number; partners?: readonly string[] } = {}) =>
  ledger.webhooks.claim({ leaseMs: 30_000, now: clock.now(), partners: KCT, perWebhook: 4, limit: 100, ...changes });

async function claimOne(ledger: Ledger, clock: TestClock): Promise<LeasedMessage> {
  const [message] = await claim(ledger, clock, { perWebhook: 1 });
  if (message === undefined) throw new Error('nothing to claim');
  return message;
}

const inMs = (clock: TestClock, ms: number) => new Date(clock.now().getTime() + ms);

export const describeWebhooks: LedgerSuite = (subject) => {
  it('makes as many as the partner may have, and keeps keys with them that it cannot open', async () => {
    const { ledger } = subject();
    const [one, two] = [newWebhook({ types: ['study.processed'] }), newWebhook()];

    const made = [
      await ledger.webhooks.create(one, 1),
      await ledger.webhooks.create(two, 1),
      await ledger.webhooks.create(newWebhook({ partner: 'uef' }), 1),
    ];

    expect(made).to.deep.equal([true, false, true]);
    const { secret: _, ...shown } = one;
    expect(await ledger.webhooks.list('kct')).to.deep.equal([
      {
        ...shown,
        state: 'enabled',
        failures: 0,
        createdAt: subject().clock.now().toISOString(),
        secrets: [{ ...SECRET, createdAt: subject().clock.now().toISOString() }],
      },
    ]);
  });

  it('gives nobody the webhook of another partner', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.webhooks.test('kct', hook.webhookId, 'test-1', 'hub.connection.tested.v1');
    const { webhooks } = ledger;
    const until = clock.now();

    const asOther = (id: string) =>
      Promise.all([
        webhooks.get('uef', id),
        webhooks.change('uef', id, { enabled: false }),
        webhooks.rotate('uef', id, SECRET, until),
        webhooks.test('uef', id, 'test-2', 't'),
        webhooks.messages('uef', id, { limit: 9 }),
        webhooks.message('uef', id, 'test-1'),
        webhooks.redeliver('uef', id, 'test-1'),
        webhooks.redeliverSince('uef', id, until, ['failed']),
        webhooks.remove('uef', id),
      ]);

    expect(await asOther(hook.webhookId)).to.deep.equal(await asOther(randomUUID()));
    expect((await webhooks.get('kct', hook.webhookId))?.state).to.equal('enabled');
  });

  it('makes one message of each new event of the types asked for, in their order, and none of what was before', async () => {
    const { ledger, clock } = subject();
    await ledger.events.append([projected('2.25.9')]);
    const hook = newWebhook({ types: ['study.processed'] });
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([projected('2.25.1'), projected('x', 'webhook.disabled'), projected('2.25.2')]);

    const looked = [await ledger.webhooks.fanOut(KCT), await ledger.webhooks.fanOut(KCT)];

    expect(looked).to.deep.equal([3, 0]);
    const messages = await ledger.webhooks.messages('kct', hook.webhookId, { limit: 9 });
    expect(messages.map(({ key, state, attempts }) => [key, state, attempts])).to.deep.equal([
      ['2.25.2', 'pending', 0],
      ['2.25.1', 'pending', 0],
    ]);
    const claimed = await claim(ledger, clock);
    expect(claimed.map(({ key, event, attempt: n }) => [key, event?.key, event?.type, n])).to.deep.equal([
      ['2.25.1', '2.25.1', 'study.processed', 1],
      ['2.25.2', '2.25.2', 'study.processed', 1],
    ]);
    expect(claimed[0]?.messageId).to.equal(claimed[0]?.event?.id);
  });

  it('begins at a place of the stream when one is given', async () => {
    const { ledger } = subject();
    await ledger.events.append([projected('2.25.1'), projected('2.25.2')]);
    const hook = newWebhook({ after: 0 });
    await ledger.webhooks.create(hook, 9);

    await ledger.webhooks.fanOut(KCT);

    expect(await ledger.webhooks.messages('kct', hook.webhookId, { limit: 9 })).to.have.length(2);
  });

  it('does nothing for partners that are not named, nor for what is disabled, and goes on where it stood', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.webhooks.change('kct', hook.webhookId, { enabled: false });
    await ledger.events.append([projected()]);

    const nothing = [await ledger.webhooks.fanOut(KCT), await ledger.webhooks.fanOut(['uef'])];
    await ledger.webhooks.change('kct', hook.webhookId, { enabled: true });
    const unnamed = [await ledger.webhooks.fanOut(['uef']), (await claim(ledger, clock, { partners: ['uef'] })).length];

    expect([...nothing, ...unnamed]).to.deep.equal([0, 0, 0, 0]);
    expect(await ledger.webhooks.fanOut(KCT)).to.equal(1);
    expect(await claim(ledger, clock)).to.have.length(1);
  });

  it('leases each message once, at most so many of one webhook, and again when the lease has run out', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([1, 2, 3].map((n) => projected(`2.25.${String(n)}`)));
    await ledger.webhooks.fanOut(KCT);

    const first = await claim(ledger, clock, { perWebhook: 2 });
    const none = await claim(ledger, clock, { perWebhook: 2 });
    clock.advance(31_000);
    const again = await claim(ledger, clock, { perWebhook: 2 });

    expect([first.length, none.length, again.length]).to.deep.equal([2, 0, 2]);
    const [old, fresh] = [first[0], again.find(({ messageId }) => messageId === first[0]?.messageId) ?? again[0]];
    if (old === undefined || fresh === undefined) throw new Error('claimed');
    expect(await ledger.webhooks.succeed(old.messageId, hook.webhookId, old.fence, attempt(1))).to.equal(
      fresh.messageId !== old.messageId,
    );
  });

  it('keeps the order within a study where that is asked, and lets other studies pass', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook({ ordered: true });
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([projected('2.25.1'), projected('2.25.1'), projected('2.25.2')]);
    await ledger.webhooks.fanOut(KCT);

    const first = await claim(ledger, clock);
    const blocked = await claim(ledger, clock);
    const [head] = first;
    if (head === undefined) throw new Error('claimed');
    await ledger.webhooks.succeed(head.messageId, hook.webhookId, head.fence, attempt(1));
    const next = await claim(ledger, clock);

    expect(first.map(({ key }) => key)).to.deep.equal(['2.25.1', '2.25.2']);
    expect(blocked).to.deep.equal([]);
    expect(next.map(({ key }) => key)).to.deep.equal(['2.25.1']);
  });

  it('tries an endpoint that fails with one message at a time, and none while it pauses', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([1, 2, 3].map((n) => projected(`2.25.${String(n)}`)));
    await ledger.webhooks.fanOut(KCT);
    const failed = await claim(ledger, clock, { perWebhook: 1 });
    const [head] = failed;
    if (head === undefined) throw new Error('claimed');

    const since = await ledger.webhooks.fail(head.messageId, hook.webhookId, head.fence, attempt(1, FAILED), {
      retryAt: inMs(clock, 3_600_000),
      pauseUntil: inMs(clock, 5_000),
    });

    expect(since).to.deep.equal(clock.now());
    expect(await claim(ledger, clock)).to.deep.equal([]);
    expect(await ledger.webhooks.nextDue(KCT)).to.deep.equal(inMs(clock, 5_000));
    clock.advance(5_000);
    expect(await claim(ledger, clock)).to.have.length(1);
    expect((await ledger.webhooks.get('kct', hook.webhookId))?.failures).to.equal(1);
  });

  it('lets what waits go at once when an endpoint that was down answers again', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([1, 2, 3, 4].map((n) => projected(`2.25.${String(n)}`)));
    await ledger.webhooks.fanOut(KCT);
    for (let n = 1; n <= 3; n += 1) {
      const message = await claimOne(ledger, clock);
      await ledger.webhooks.fail(message.messageId, hook.webhookId, message.fence, attempt(1, FAILED), {
        retryAt: inMs(clock, 7_200_000),
        pauseUntil: clock.now(),
      });
    }
    const last = await claimOne(ledger, clock);

    await ledger.webhooks.succeed(last.messageId, hook.webhookId, last.fence, attempt(1));

    expect(await claim(ledger, clock)).to.have.length(3);
    const well = await ledger.webhooks.get('kct', hook.webhookId);
    expect([well?.failures, well?.failingSince]).to.deep.equal([0, undefined]);
  });

  it('keeps every attempt, and a message that has failed until it is redelivered', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([projected()]);
    await ledger.webhooks.fanOut(KCT);
    const first = await claimOne(ledger, clock);
    await ledger.webhooks.fail(first.messageId, hook.webhookId, first.fence, attempt(1, { ...FAILED, detail: 'd' }), {
      pauseUntil: inMs(clock, 60_000),
    });
    const failed = await ledger.webhooks.message('kct', hook.webhookId, first.messageId);

    const again = [
      await ledger.webhooks.redeliverSince('kct', hook.webhookId, inMs(clock, 1), ['failed']),
      await ledger.webhooks.redeliverSince('kct', hook.webhookId, inMs(clock, -1), ['succeeded']),
      await ledger.webhooks.redeliverSince('kct', hook.webhookId, inMs(clock, -1), ['failed']),
    ];
    const second = await claimOne(ledger, clock);
    await ledger.webhooks.succeed(second.messageId, hook.webhookId, second.fence, attempt(1));

    expect(again).to.deep.equal([0, 0, 1]);
    expect(failed).to.deep.include({ state: 'failed', attempts: 1, lastStatus: 503 });
    expect(failed?.history).to.deep.equal([attempt(1, { ...FAILED, detail: 'd' })]);
    expect((await ledger.webhooks.message('kct', hook.webhookId, first.messageId))?.history).to.have.length(2);
    expect(await ledger.webhooks.redeliver('kct', hook.webhookId, first.messageId)).to.equal(true);
    expect(await ledger.webhooks.redeliver('kct', hook.webhookId, randomUUID())).to.equal(false);
    expect((await claim(ledger, clock)).map(({ messageId }) => messageId)).to.deep.equal([first.messageId]);
  });

  it('refuses the result of a lease that was lost, and gives back what was not tried', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([projected()]);
    await ledger.webhooks.fanOut(KCT);
    const { messageId, fence } = await claimOne(ledger, clock);
    const { webhookId } = hook;

    const given = await ledger.webhooks.giveBack(messageId, webhookId, fence, clock.now());
    const late = [
      await ledger.webhooks.succeed(messageId, webhookId, fence, attempt(1)),
      await ledger.webhooks.cancel(messageId, webhookId, fence),
      await ledger.webhooks.giveBack(messageId, webhookId, fence, clock.now()),
      (await ledger.webhooks.fail(messageId, webhookId, fence, attempt(1, FAILED), { pauseUntil: clock.now() })) !==
        undefined,
    ];
    const next = await claimOne(ledger, clock);

    expect([given, ...late]).to.deep.equal([true, false, false, false, false]);
    expect(next.attempt).to.equal(1);
    expect(await ledger.webhooks.cancel(messageId, webhookId, next.fence)).to.equal(true);
    expect((await ledger.webhooks.message('kct', webhookId, messageId))?.state).to.equal('cancelled');
  });

  it('disables once, with the event that says so', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    const event: NewEvent = {
      type: 'webhook.disabled',
      stream: 'hub.delivery.v1',
      key: hook.webhookId,
      data: { partner: 'kct', webhookId: hook.webhookId, reason: 'gone' },
    };

    const disabled = [
      await ledger.webhooks.disable(hook.webhookId, 'gone', [event]),
      await ledger.webhooks.disable(hook.webhookId, 'gone', [event]),
    ];

    expect(disabled).to.deep.equal([true, false]);
    expect(await ledger.webhooks.get('kct', hook.webhookId)).to.deep.include({
      state: 'disabled',
      disabledBecause: 'gone',
      disabledAt: clock.now().toISOString(),
    });
    expect(await ledger.events.read({ streams: ['hub.delivery.v1'], after: 0, limit: 9 })).to.have.length(1);
    expect(await ledger.webhooks.test('kct', hook.webhookId, 'test-1', 't')).to.equal(false);
  });

  it('signs with the keys before until they end', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);

    await ledger.webhooks.rotate('kct', hook.webhookId, { sealed: 's2', publicKey: 'whpk_2' }, inMs(clock, 60_000));

    const sealed = async () =>
      (await ledger.webhooks.get('kct', hook.webhookId))?.secrets.map(({ sealed: text }) => text);
    expect(await sealed()).to.deep.equal(['s2', 'sealed-1']);
    clock.advance(60_000);
    expect(await sealed()).to.deep.equal(['s2']);
  });

  it('forgets messages that ended long ago, and a removed webhook whole', async () => {
    const { ledger, clock } = subject();
    const hook = newWebhook();
    await ledger.webhooks.create(hook, 9);
    await ledger.events.append([projected('2.25.1'), projected('2.25.2')]);
    await ledger.webhooks.fanOut(KCT);
    const done = await claimOne(ledger, clock);
    await ledger.webhooks.succeed(done.messageId, hook.webhookId, done.fence, attempt(1));
    clock.advance(60_000);

    const pruned = [await ledger.webhooks.prune(clock.now()), await ledger.webhooks.prune(clock.now())];

    expect(pruned).to.deep.equal([1, 0]);
    expect(await ledger.webhooks.messages('kct', hook.webhookId, { limit: 9 })).to.have.length(1);
    expect(await ledger.webhooks.remove('kct', hook.webhookId)).to.equal(true);
    expect(await ledger.webhooks.list('kct')).to.deep.equal([]);
    expect(await claim(ledger, clock)).to.deep.equal([]);
  });
};
