import { expect } from 'chai';
import { destinationOptions } from '../../connectors/destination-options.ts';
import { holdsOf } from '../../connectors/holds.ts';
import { narrowed, type PartnerGrant } from '../../core/partners.ts';
import { partnerSettings } from '../support/partner-hub.ts';

const NOW = new Date('2026-03-02T12:00:00Z');
const nights = destinationOptions.sendWindow.parse({ hours: '18:00-06:00', timeZone: 'UTC' });

const partners = (grant: PartnerGrant) => ({
  find: (name: string) => Promise.resolve(name === 'kct' ? narrowed(partnerSettings('kct'), grant) : undefined),
});

describe('what holds a destination', () => {
  const window = { what: 'send-window', until: new Date('2026-03-02T18:00:00Z') };
  for (const [what, destination, grant, expected] of [
    ['nothing', { partner: 'kct' }, {}, []],
    ['nothing, without window and partner', {}, { suspended: true }, []],
    ['its window', { sendWindow: nights }, {}, [window]],
    ['a suspended partner', { partner: 'kct' }, { suspended: true }, [{ what: 'partner-suspended', partner: 'kct' }]],
    [
      'a partner whose time is over',
      { partner: 'kct' },
      { expiresAtMs: NOW.getTime() },
      [{ what: 'partner-ended', partner: 'kct' }],
    ],
    ['a partner that there is not', { partner: 'uef' }, {}, [{ what: 'partner-ended', partner: 'uef' }]],
    [
      'window and partner',
      { sendWindow: nights, partner: 'kct' },
      { suspended: true },
      [window, { what: 'partner-suspended', partner: 'kct' }],
    ],
  ] as const) {
    it(`is ${what}`, async () => {
      expect(await holdsOf(destination, partners(grant), NOW)).to.deep.equal(expected);
    });
  }
});
