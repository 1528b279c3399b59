import type { Ledger } from '../../../core/ledger.ts';

/** A ledger that, once its hub is dead, nothing of that hub's bus reaches any more, as after a crash. */
export function mortal(ledger: Ledger, isAlive: () => boolean): Ledger {
  const { groups, leases } = ledger;
  return {
    ...ledger,
    groups: {
      ...groups,
      commit: async (...args) => (isAlive() ? groups.commit(...args) : true),
      park: async (...args) => (isAlive() ? groups.park(...args) : true),
      unpark: async (...args) => (isAlive() ? groups.unpark(...args) : true),
    },
    leases: {
      ...leases,
      acquire: async (...args) => (isAlive() ? leases.acquire(...args) : undefined),
      renew: async (...args) => isAlive() && leases.renew(...args),
      release: async (...args) => isAlive() && leases.release(...args),
    },
  };
}
