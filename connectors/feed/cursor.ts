/** A place in a partner's feed, as the partner holds it: opaque, and good for that feed only. */
import { createHash } from 'node:crypto';
import { HubError } from '../../core/errors.ts';
import type { PartnerStream } from '../../core/events.ts';

export function formatCursor(stream: PartnerStream, position: number): string {
  return Buffer.from(`1.${markOf(stream)}.${position}`).toString('base64url');
}

/** @throws {HubError} `request.invalid` when it is not a cursor of this very feed */
export function parseCursor(stream: PartnerStream, cursor: string): number {
  const [, mark, position] =
    /^1\.([0-9a-f]{8})\.(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (mark !== markOf(stream) || position === undefined) {
    throw new HubError('request.invalid', { detail: 'not a cursor of this feed' });
  }
  return Number(position);
}

/** Tells feeds apart, so that a cursor of one is refused by another and not silently taken as a place in it. */
const markOf = (stream: PartnerStream): string => createHash('sha256').update(stream).digest('hex').slice(0, 8);
