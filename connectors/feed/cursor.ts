/** A place in a list of a partner's, as the partner holds it: opaque, and good for that list only. */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { HubError } from '../../core/errors.ts';

export interface Cursors {
  /** @param list - names it: a partner's stream, or its releases */
  format(list: string, position: number): string;
  /** @throws {HubError} `request.invalid` when it is not a cursor of this very list */
  parse(list: string, cursor: string): number;
}

/** AES takes blocks of sixteen bytes; a cursor is one. */
const BLOCK_BYTES = 16;
const MARK_BYTES = 8;

/**
 * A position counts the events, or the releases, of the whole hub: two cursors in the clear would tell a partner how much
 * is going on with all the others. One encrypted block of list and position is the same for the same place, and nothing else.
 *
 * @param key - 32 secret bytes, the same on every start
 */
export function createCursors(key: Uint8Array): Cursors {
  return {
    format: (list, position) => {
      const block = Buffer.alloc(BLOCK_BYTES);
      markOf(list).copy(block);
      block.writeBigUInt64BE(BigInt(position), MARK_BYTES);
      const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
      return Buffer.concat([cipher.update(block), cipher.final()]).toString('base64url');
    },
    parse: (list, cursor) => {
      const sealed = Buffer.from(cursor, 'base64url');
      const invalid = () => new HubError('request.invalid', { detail: 'not a cursor of this feed' });
      if (sealed.byteLength !== BLOCK_BYTES || sealed.toString('base64url') !== cursor) throw invalid();
      const decipher = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false);
      const block = Buffer.concat([decipher.update(sealed), decipher.final()]);
      // Also what makes a guess hopeless: 64 bits that only the key can set.
      if (!block.subarray(0, MARK_BYTES).equals(markOf(list))) throw invalid();
      return Number(block.readBigUInt64BE(MARK_BYTES));
    },
  };
}

/** Tells lists apart, so that a cursor of one is refused by another and not silently taken as a place in it. */
const markOf = (list: string): Buffer => createHash('sha256').update(list).digest().subarray(0, MARK_BYTES);
