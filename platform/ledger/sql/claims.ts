/** Claims of one process, so that what one of them leased and nobody heard of is given back by the next. */
import { randomUUID } from 'node:crypto';

/** Names a claim, and those before it whose answers were lost. */
export interface ClaimTag {
  readonly claim: string;
  readonly lost: readonly string[];
}

/** Of the claims that failed; an older one's leases have run out by then. */
const MOST_LOST = 100;

export class Claims {
  #lost: readonly string[] = [];

  /**
   * Leases, then reads what was leased. A claim that fails in either may have happened: the database was asked and did
   * not answer any more. Its leases would keep the work from everybody until they run out.
   */
  async run<Claimed, Leased>(
    claim: (tag: ClaimTag) => Promise<Claimed>,
    readOn: (claimed: Claimed) => Promise<Leased>,
  ): Promise<Leased> {
    const name = randomUUID();
    const lost = this.#lost;
    try {
      const claimed = await claim({ claim: name, lost });
      // That has happened: they are given back.
      this.#lost = this.#lost.filter((each) => !lost.includes(each));
      return await readOn(claimed);
    } catch (error) {
      this.#lost = [...this.#lost, name].slice(-MOST_LOST);
      throw error;
    }
  }
}
