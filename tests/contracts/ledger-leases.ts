import { expect } from 'chai';
import type { LedgerSuite } from './ledger-facts.ts';

const LEASE_MS = 60_000;

export const describeLeases: LedgerSuite = (subject) => {
  it('has one owner at a time', async () => {
    const { ledger, clock } = subject();

    const fences = await Promise.all(
      ['a', 'b', 'c'].map((owner) => ledger.leases.acquire('relay', owner, LEASE_MS, clock.now())),
    );

    expect(fences).to.deep.equal([1, undefined, undefined]);
    expect(await ledger.leases.acquire('retention', 'b', LEASE_MS, clock.now())).to.equal(1);
  });

  it('is taken over when it runs out, and its first owner cannot renew it any more', async () => {
    const { ledger, clock } = subject();
    await ledger.leases.acquire('relay', 'a', LEASE_MS, clock.now());

    const early = await ledger.leases.acquire('relay', 'b', LEASE_MS, clock.advance(LEASE_MS - 1));
    const late = await ledger.leases.acquire('relay', 'b', LEASE_MS, clock.advance(1));

    expect([early, late]).to.deep.equal([undefined, 2]);
    expect(await ledger.leases.renew('relay', 1, LEASE_MS, clock.now())).to.equal(false);
    expect(await ledger.leases.release('relay', 1)).to.equal(false);
    expect(await ledger.leases.renew('relay', 2, LEASE_MS, clock.now())).to.equal(true);
  });

  it('is named among those that somebody has, by what its name begins with', async () => {
    const { ledger, clock } = subject();
    for (const name of ['behind/b', 'behind/a', 'caretaker'])
      await ledger.leases.acquire(name, 'owner', LEASE_MS, clock.now());
    await ledger.leases.release('behind/b', 1);
    await ledger.leases.acquire('behind/c', 'owner', 2 * LEASE_MS, clock.now());

    expect(await ledger.leases.held('behind/', clock.now())).to.deep.equal(['behind/a', 'behind/c']);
    expect(await ledger.leases.held('behind/', clock.advance(LEASE_MS))).to.deep.equal(['behind/c']);
  });

  it('lasts as long as it is renewed', async () => {
    const { ledger, clock } = subject();
    await ledger.leases.acquire('relay', 'a', LEASE_MS, clock.now());

    for (let round = 0; round < 3; round += 1) {
      const isRenewed = await ledger.leases.renew('relay', 1, LEASE_MS, clock.advance(LEASE_MS - 1));
      const other = await ledger.leases.acquire('relay', 'b', LEASE_MS, clock.now());
      expect([isRenewed, other]).to.deep.equal([true, undefined]);
    }
  });

  it('is renewed after it ran out as long as nobody took it', async () => {
    const { ledger, clock } = subject();
    await ledger.leases.acquire('relay', 'a', LEASE_MS, clock.now());

    const isRenewed = await ledger.leases.renew('relay', 1, LEASE_MS, clock.advance(2 * LEASE_MS));

    expect(isRenewed).to.equal(true);
    expect(await ledger.leases.acquire('relay', 'b', LEASE_MS, clock.now())).to.equal(undefined);
  });

  it('goes to the next at once when it is given back, with a higher fence', async () => {
    const { ledger, clock } = subject();
    await ledger.leases.acquire('relay', 'a', LEASE_MS, clock.now());

    const isReleased = await ledger.leases.release('relay', 1);

    expect(isReleased).to.equal(true);
    expect(await ledger.leases.acquire('relay', 'b', LEASE_MS, clock.now())).to.equal(2);
  });

  it('fences off the earlier lease of the same owner', async () => {
    const { ledger, clock } = subject();
    await ledger.leases.acquire('relay', 'a', LEASE_MS, clock.now());

    const again = await ledger.leases.acquire('relay', 'a', LEASE_MS, clock.now());

    expect(again).to.equal(2);
    expect(await ledger.leases.renew('relay', 1, LEASE_MS, clock.now())).to.equal(false);
  });
};
