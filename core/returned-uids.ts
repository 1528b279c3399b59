/**
 * What a partner returns is filed under names of the hub's own, made from the partner's name and the UIDs it came with. So
 * it never meets what a scanner sent or another partner returned, whatever UIDs it claims; and nothing that the partner is
 * answered depends on what else the hub has. The names prove by whom it was returned: without the key nobody can make one.
 */
import { createHmac, createSecretKey, hkdfSync } from 'node:crypto';

export interface ReturnedUids {
  /** `2.25.` and a UUID, for a Study, Series or SOP Instance UID; the same for the same. */
  of(partner: string, uid: string): string;
}

/** @param secret - of the crosswalk: 32 bytes, the same in all replicas */
export function returnedUids(secret: Uint8Array): ReturnedUids {
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'imaging-hub returned uids', 32)));
  return {
    of: (partner, uid) => {
      const digest = createHmac('sha256', key)
        .update(JSON.stringify([partner, uid]))
        .digest();
      // A UUID of version 8 (RFC 9562) in decimal (PS3.5 Section B.2).
      digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x80;
      digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
      return `2.25.${BigInt(`0x${digest.toString('hex', 0, 16)}`).toString()}`;
    },
  };
}
