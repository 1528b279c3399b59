import { expect } from 'chai';
import type { ActivationRow } from '../../core/ledger/configuration.ts';
import { newerVersions } from '../../core/newer-version.ts';

const NOW = '2026-03-01T12:00:00.000Z';

describe('a version of the configuration that other replicas have', () => {
  /** @param at - when each version came into force the last time */
  const isNewer = (at: Readonly<Record<string, string>>, version: string | undefined, current = 'own') => {
    const lastOf = (asked: string): Promise<ActivationRow | undefined> => {
      const activatedAt = at[asked];
      const row = { activationId: asked, version: asked, cause: 'file', actor: 'file', node: 'hub-1' } as const;
      return Promise.resolve(activatedAt === undefined ? undefined : { ...row, activatedAt });
    };
    return newerVersions(
      { ledger: { configuration: { lastOf } }, clock: { now: () => new Date(NOW) } },
      () => current,
    )(version);
  };
  const at = (time: string) => `2026-03-01T${time}.000Z`;

  for (const { what, times, version, is } of [
    { what: 'came after the own', times: { own: at('11:00:00'), new: at('11:58:00') }, version: 'new', is: true },
    { what: 'came before the own', times: { own: at('11:58:00'), old: at('11:55:00') }, version: 'old', is: false },
    { what: 'is the own', times: { own: at('11:58:00') }, version: 'own', is: false },
    { what: 'nobody has had', times: { own: at('11:58:00') }, version: 'new', is: false },
    { what: 'is not said', times: { own: at('11:58:00') }, version: undefined, is: false },
    { what: 'came, while the own was never noted', times: { new: at('11:58:00') }, version: 'new', is: true },
    {
      what: 'came so long ago that this replica will not take it any more',
      times: { own: at('11:00:00'), new: at('11:44:59') },
      version: 'new',
      is: false,
    },
  ]) {
    it(`is ${is ? '' : 'not '}newer when it ${what}`, async () => {
      expect(await isNewer(times, version)).to.equal(is);
    });
  }
});
