import { expect } from 'chai';
import { HubError } from '../../../core/errors.ts';
import type { Ledger } from '../../../core/ledger.ts';
import { joinReplicas, type Presence } from '../../../gateway/replicas/presence.ts';
import { openTestLedger } from '../../support/open-ledger.ts';
import { silentLog } from '../../support/silent-log.ts';
import { thrownBy } from '../../support/thrown.ts';
import { waitFor } from '../../support/wait-for.ts';

const LEASE_MS = 150;
const clock = { now: () => new Date() };

describe('gateways among replicas', () => {
  let opened: Awaited<ReturnType<typeof openTestLedger>>;
  const present: Presence[] = [];
  beforeEach(async () => {
    opened = await openTestLedger();
  });
  afterEach(async () => {
    await Promise.all(present.splice(0).map((each) => each.stop(false)));
    await opened.remove();
  });
  const join = async (node: string, identity = node, ledger: Pick<Ledger, 'leases'> = opened.ledger) => {
    const ports = { ledger, clock, log: silentLog };
    const joined = await joinReplicas(ports, { node, identity, leaseMs: LEASE_MS }, ['inbox']);
    present.push(joined);
    return joined;
  };
  const leave = async (one: Presence | undefined, isBehind = false) => {
    present.splice(present.indexOf(one ?? expect.fail()), 1);
    await one?.stop(isBehind);
  };
  const isSteady = (one: Presence) => one.whose()?.abandonedAt !== undefined;

  it('have one caretaker, and one that looks into a watched folder', async () => {
    const all = [await join('a'), await join('b'), await join('c')];

    await waitFor('a caretaker', () => all.some((each) => each.isCaretaker() && each.mayWatch('inbox')));

    expect(all.filter((each) => each.isCaretaker())).to.have.length(1);
    expect(all.filter((each) => each.mayWatch('inbox'))).to.have.length(1);
  });

  it('have another one when it stops, which judges for those that are gone only after a while', async () => {
    const [first, second] = [await join('a'), await join('b')];
    await waitFor('a caretaker', () => first.isCaretaker());
    await waitFor('a steady one', () => isSteady(first));
    const early = second.whose();

    await leave(first);
    await waitFor('the next caretaker', () => second.isCaretaker());
    const atOnce = second.whose();

    expect([early, atOnce]).to.deep.equal([{}, {}]);
    await waitFor('the next steady one', () => isSteady(second));
  });

  it('judge for nobody else when the ledger was away a moment ago, nor while it is', async () => {
    let isAway = false;
    const { leases } = opened.ledger;
    const unreachable = () => Promise.reject(new HubError('ledger.unreachable'));
    const flaky: Pick<Ledger, 'leases'> = {
      leases: {
        ...leases,
        acquire: async (...args) => (isAway ? unreachable() : leases.acquire(...args)),
        renew: async (...args) => (isAway ? unreachable() : leases.renew(...args)),
      },
    };
    const one = await join('a', 'a', flaky);
    await waitFor('a steady one', () => isSteady(one));

    isAway = true;
    await waitFor('the end of its calm', () => !isSteady(one));
    await waitFor('the end of its lease', () => !one.isCaretaker());
    isAway = false;
    await waitFor('the caretaker again', () => one.isCaretaker());

    expect(isSteady(one)).to.be.false;
    await waitFor('a steady one again', () => isSteady(one));
  });

  it('do not start under a name that another data folder has, and do with the same one after a kill', async () => {
    const first = await join('a', 'folder-1');

    const refused = await thrownBy(join('a', 'folder-2'));
    const again = await join('a', 'folder-1');

    expect(refused.code).to.equal('config.invalid');
    expect(String(refused)).to.contain('hub.node');
    await leave(again);
    await leave(first);
  });

  it('leave what is not told to the ledger to nobody before their lease ends', async () => {
    const now = () => clock.now();
    const told = await join('told');
    const behind = await join('behind');

    await leave(told, false);
    await leave(behind, true);
    const free = await opened.ledger.leases.acquire('node/told', 'test', LEASE_MS, now());
    const taken = await opened.ledger.leases.acquire('node/behind', 'test', LEASE_MS, now());

    expect(free).to.not.equal(undefined);
    expect(taken).to.equal(undefined);
  });
});
