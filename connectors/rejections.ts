/** What to throw when a destination took some instances and not others. */
import { HubError } from '../core/errors.ts';

/** So many are listed one by one; the attempt's record must stay readable. */
const MAX_LISTED = 50;

/** A refused instance and its status or Failure Reason (PS3.4 Table B.2-1, PS3.3 Section C.14.1.1). */
export interface Rejection {
  readonly sopInstanceUid: string;
  readonly status: number;
  /** Says more than the number where we know more. */
  readonly detail?: string;
}

/** PS3.7 Annex C: Duplicate SOP Instance. The destination has it, perhaps from an attempt whose answer got lost. */
export const DUPLICATE_SOP_INSTANCE = 0x0111;

/** Of an instance that was changed since: what the destination has is the content of before, and it refused the new one. */
export function keptOther(sopInstanceUid: string): Rejection {
  const detail = 'it keeps the content it got earlier';
  return { sopInstanceUid, status: DUPLICATE_SOP_INSTANCE, detail };
}

/** Transient as long as one refusal is for want of resources: what is left is tried again. */
export function rejectionOf(rejections: readonly Rejection[]): HubError {
  const busy = rejections.find(({ status }) => isOutOfResources(status));
  if (busy !== undefined) {
    return new HubError('partner.busy', { status: hex(busy.status), instances: rejections.length });
  }
  return new HubError('partner.rejected-instances', {
    instances: rejections.length,
    rejected: rejections
      .slice(0, MAX_LISTED)
      .map(
        ({ sopInstanceUid, status, detail }) =>
          `${sopInstanceUid} ${hex(status)}${detail === undefined ? '' : ` ${detail}`}`,
      ),
  });
}

/** PS3.4 Table B.2-1: A7xx Refused: Out of Resources */
const isOutOfResources = (status: number): boolean => (status & 0xff00) === 0xa700;

const hex = (status: number): string => `0x${status.toString(16).toUpperCase().padStart(4, '0')}`;
