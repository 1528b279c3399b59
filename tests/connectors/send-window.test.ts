import { expect } from 'chai';
import { destinationOptions } from '../../connectors/destination-options.ts';
import { isOpen, opensAt } from '../../connectors/send-window.ts';

/** In March 2026 Helsinki is at UTC+2 until the 29th, then at UTC+3; the 2nd is a Monday. */
const WINDOWS = {
  nights: { hours: '18:00-06:00', days: ['mon', 'fri'], timeZone: 'Europe/Helsinki' },
  office: { hours: '08:00-16:00', timeZone: 'UTC' },
  weekend: { days: ['sat', 'sun'], timeZone: 'UTC' },
  morning: { hours: '05:00-12:00', timeZone: 'Europe/Helsinki' },
  midnight: { hours: '22:00-24:00', timeZone: 'UTC' },
};

describe('a send window', () => {
  for (const [name, at, expected] of [
    ['nights', '2026-03-02T15:59:00Z', false],
    ['nights', '2026-03-02T16:00:00Z', true],
    ['nights', '2026-03-03T03:59:00Z', true],
    ['nights', '2026-03-03T04:00:00Z', false],
    ['nights', '2026-03-03T16:00:00Z', false],
    ['nights', '2026-03-07T03:00:00Z', true],
    ['nights', '2026-03-30T15:00:00Z', true],
    ['office', '2026-03-01T07:59:59Z', false],
    ['office', '2026-03-01T08:00:00Z', true],
    ['office', '2026-03-01T16:00:00Z', false],
    ['weekend', '2026-03-06T23:59:00Z', false],
    ['weekend', '2026-03-07T00:00:00Z', true],
    ['midnight', '2026-03-07T23:59:00Z', true],
    ['midnight', '2026-03-08T00:00:00Z', false],
  ] as const) {
    it(`of ${name} is ${expected ? 'open' : 'closed'} at ${at}`, () => {
      const window = destinationOptions.sendWindow.parse(WINDOWS[name]);

      expect(window !== undefined && isOpen(window, new Date(at))).to.equal(expected);
    });
  }

  for (const [name, at, expected] of [
    ['nights', '2026-03-02T15:59:30Z', '2026-03-02T16:00:00Z'],
    ['nights', '2026-03-02T17:00:00Z', '2026-03-02T17:00:00Z'],
    ['nights', '2026-03-03T04:00:00Z', '2026-03-06T16:00:00Z'],
    // The clock is put forward in between.
    ['nights', '2026-03-28T05:00:00Z', '2026-03-30T15:00:00Z'],
    ['office', '2026-03-01T16:00:00Z', '2026-03-02T08:00:00Z'],
    ['weekend', '2026-03-02T00:00:00Z', '2026-03-07T00:00:00Z'],
    ['midnight', '2026-03-08T00:00:00Z', '2026-03-08T22:00:00Z'],
    // Put forward at 3, and put back at 4, of the same night.
    ['morning', '2026-03-29T00:10:00Z', '2026-03-29T02:00:00Z'],
    ['morning', '2026-10-25T00:10:00Z', '2026-10-25T03:00:00Z'],
  ] as const) {
    it(`of ${name} opens, asked at ${at}, at ${expected}`, () => {
      const window = destinationOptions.sendWindow.parse(WINDOWS[name]);

      expect(window !== undefined && opensAt(window, new Date(at))).to.deep.equal(new Date(expected));
    });
  }

  for (const [what, given] of [
    ['hours that are none', { hours: '25:00-06:00' }],
    ['an end after midnight of the same day', { hours: '18:00-24:30' }],
    ['a time zone that nobody knows', { timeZone: 'Mars/Olympus' }],
    ['list of days without one', { days: [] }],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(destinationOptions.sendWindow.safeParse(given).success).to.equal(false);
    });
  }
});
