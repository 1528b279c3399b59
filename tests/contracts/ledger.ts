import { expect } from 'chai';
import type { Ledger } from '../../core/ledger.ts';
import type { Clock } from '../../core/ports.ts';
import { type LedgerUnderTest, TestClock } from './ledger-facts.ts';
import { describeAskedCommitments } from './ledger-asked-commitments.ts';
import { describeCompletion } from './ledger-completion.ts';
import { describeCommitments } from './ledger-commitments.ts';
import { describeCrosswalk } from './ledger-crosswalk.ts';
import { describeDeliveries } from './ledger-deliveries.ts';
import { describeDeliveryTurns } from './ledger-delivery-turns.ts';
import { describeEvents } from './ledger-events.ts';
import { describeInstances } from './ledger-instances.ts';
import { describeLeases } from './ledger-leases.ts';
import { describeOverrides } from './ledger-overrides.ts';
import { describePartners } from './ledger-partners.ts';
import { describePulls } from './ledger-pulls.ts';
import { describeConfiguration } from './ledger-configuration.ts';
import { describeQcHistory } from './ledger-qc-history.ts';
import { describeQuarantine } from './ledger-quarantine.ts';
import { describeRetention } from './ledger-retention.ts';
import { describeRuns } from './ledger-runs.ts';
import { describeVersions } from './ledger-versions.ts';
import { describeWebhooks } from './ledger-webhooks.ts';

/**
 * What every ledger does, whatever database is under it.
 *
 * @param open - a new one for each test
 */
export function describeLedger(
  name: string,
  open: (clock: Clock) => Promise<{ ledger: Ledger; reopen(): Promise<Ledger>; remove(): Promise<void> }>,
): void {
  describe(`the ledger on ${name}`, () => {
    let current: (LedgerUnderTest & { remove(): Promise<void> }) | undefined;
    const subject = () => {
      if (current === undefined) throw new Error('asked for outside of a test');
      return current;
    };

    beforeEach(async () => {
      const clock = new TestClock();
      current = { clock, ...(await open(clock)) };
    });

    afterEach(async () => {
      await current?.remove();
      current = undefined;
    });

    describe('instances and studies', () => describeInstances(subject));
    describe('completion', () => describeCompletion(subject));
    describe('versions of an instance', () => describeVersions(subject));
    describe('retention', () => describeRetention(subject));
    describe('runs', () => describeRuns(subject));
    describe('deliveries', () => describeDeliveries(subject));
    describe('whose turn a delivery is', () => describeDeliveryTurns(subject));
    describe('quality control', () => describeQcHistory(subject));
    describe('configuration', () => describeConfiguration(subject));
    describe('quarantine', () => describeQuarantine(subject));
    describe('overrides', () => describeOverrides(subject));
    describe('storage commitments', () => describeCommitments(subject));
    describe('storage commitments asked of destinations', () => describeAskedCommitments(subject));
    describe('pulls', () => describePulls(subject));
    describe('leases', () => describeLeases(subject));
    describe('crosswalk', () => describeCrosswalk(subject));
    describe('events, groups and tokens', () => describeEvents(subject));
    describe('partners', () => describePartners(subject));
    describe('webhooks', () => describeWebhooks(subject));

    it('closes twice without harm and refuses what comes after', async () => {
      const { ledger } = subject();

      await ledger.close();
      await ledger.close();

      const refusals = await Promise.allSettled([ledger.events.append([]), ledger.events.head()]);
      expect(refusals.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    });
  });
}
