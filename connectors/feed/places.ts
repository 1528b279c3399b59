/** Where in its feed a partner wants to read: after a cursor it holds, or from a moment on. */
import { HubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import { type Partner, partnerStream } from '../../core/partners.ts';
import { createCursors } from './cursor.ts';

/** `after`, a cursor, or `from`, a moment in ISO 8601; neither: from the beginning. */
export interface Place {
  readonly after?: string | undefined;
  readonly from?: string | undefined;
}

export interface Places {
  format(partner: string, position: number): string;
  /**
   * The position after which to read; never before what the partner is entitled to.
   *
   * @throws {HubError} `request.invalid` when it is not a cursor of this very feed, of the ledger as it is now
   */
  find(partner: Partner, place: Place): Promise<number>;
}

/** @param key - 32 secret bytes, the same on every start: partners keep their cursors */
export function createPlaces(ledger: Pick<Ledger, 'events' | 'partners'>, key: Uint8Array): Places {
  const cursors = createCursors(key);

  const parse = async (partner: string, cursor: string): Promise<number> => {
    const position = cursors.parse(partnerStream(partner), cursor);
    // Of a ledger that was put back to an earlier day: to wait for that place would be to miss what comes before it.
    if (position > (await ledger.events.head())) {
      throw new HubError('request.invalid', { detail: 'not a cursor of this feed' });
    }
    return position;
  };

  return {
    format: (partner, position) => cursors.format(partnerStream(partner), position),
    find: async ({ name, entitlements: { fromMs } }, { after, from }) => {
      if (after !== undefined && from !== undefined) {
        throw new HubError('request.invalid', { detail: 'either a cursor or a moment' });
      }
      const before = (at: Date) => ledger.partners.positionBefore(partnerStream(name), at);
      const asked =
        after === undefined ? (from === undefined ? 0 : await before(new Date(from))) : await parse(name, after);
      return fromMs === undefined ? asked : Math.max(asked, await before(new Date(fromMs)));
    },
  };
}
