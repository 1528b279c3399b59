/** A hub under attack by a number of seeded cases at each door, and what must be true of it then. */
import { expect } from 'chai';
import { HubProcess } from '../hub-process.ts';
import { attackHub, type AttackOutcome } from './attack.ts';
import { attackDimse } from './dimse-attack.ts';
import { attackStow } from './stow-attack.ts';

const CONCURRENCY = 8;
const MEMORY_FROM_CASES = 5_000;

export interface FuzzOptions {
  readonly door: 'dimse' | 'stow-rs';
  readonly cases: number;
  readonly seed: number;
}

/** @throws {AssertionError} with the seed */
export async function surviveFuzzing({ door, cases, seed }: FuzzOptions): Promise<AttackOutcome> {
  const hub = await HubProcess.create({
    config: {
      gateway: {
        dimse: { maxAssociations: 100 },
        http: { anonymousLoopback: true },
        completion: { quiet: '1h', force: '2h' },
      },
    },
  });
  const attack = door === 'dimse' ? attackDimse : attackStow;
  try {
    await hub.start();
    const { pid } = hub;
    const outcome = await attackHub(hub, {
      cases,
      seed,
      concurrency: CONCURRENCY,
      isMemoryCompared: cases >= MEMORY_FROM_CASES,
      attack: async (random) => attack(hub, random),
    });
    const note = `seed ${seed}`;
    expect(hub.pid, `${note}: the same process`).to.equal(pid);
    expect((await fetch(`${hub.url}/health/ready`)).status, note).to.equal(200);
    expect(outcome.wellBehavedStores, `${note}: the scanner beside it was served`).to.be.greaterThan(0);
    expect(errorsIn(hub.log()), `${note}: lines that call a human`).to.deep.equal([]);
    expect(await hub.stop(), `${note}: stops in good order`).to.equal(0);
    return outcome;
  } finally {
    await hub.remove();
  }
}

function errorsIn(log: string): readonly string[] {
  return log.split('\n').filter((line) => line.includes('"level":"error"') || /unhandled|uncaught/i.test(line));
}
