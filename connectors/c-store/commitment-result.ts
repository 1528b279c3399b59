/** What the result of a storage commitment means for a delivery. Pure. */
import { HubError } from '../../core/errors.ts';
import type { CommitmentResult } from '../../core/ledger/asked-commitments.ts';
import type { Reconciliation } from '../../core/plugins.ts';
import { rejectionOf } from '../rejections.ts';

/** Failure Reason (0008,1197), PS3.3 Section C.14.1.1, in words for whoever reads the attempt. */
const REASONS: Readonly<Record<number, string>> = {
  0x0110: 'processing failure',
  0x0112: 'no such object instance',
  0x0213: 'resource limitation',
  0x0122: 'referenced SOP class not supported',
  0x0119: 'class/instance conflict',
  0x0131: 'duplicate transaction UID',
};

/** To send it again changes nothing: it is of a class the provider does not commit, or it has another under its UID. */
const FOR_GOOD: ReadonlySet<number> = new Set([0x0122, 0x0119]);
/** It has it, and cannot say so now: it is asked again, not sent again. */
const NOT_NOW: ReadonlySet<number> = new Set([0x0213, 0x0131]);

/**
 * What failed for any other reason, or is not named at all, goes again; and it goes first: only when the destination has
 * all that it takes, what it never takes makes the delivery a dead letter.
 *
 * @throws {HubError} `partner.rejected-instances`, `partner.busy`
 */
export function judgeCommitment(
  instances: readonly { readonly sopInstanceUid: string }[],
  { committed, failed }: CommitmentResult,
): Reconciliation {
  const reasons = new Map(failed.map(({ sopInstanceUid, failureReason }) => [sopInstanceUid, failureReason]));
  const promised = new Set(committed);
  const open = instances.flatMap(({ sopInstanceUid }) => {
    const status = reasons.get(sopInstanceUid);
    return status === undefined && promised.has(sopInstanceUid) ? [] : [{ sopInstanceUid, status }];
  });
  const missing = open.filter(({ status }) => status === undefined || !(FOR_GOOD.has(status) || NOT_NOW.has(status)));
  if (missing.length > 0) {
    return { missing: missing.map(({ sopInstanceUid }) => sopInstanceUid), detail: detailOf(missing) };
  }
  const refused = open.flatMap(({ sopInstanceUid, status }) =>
    status !== undefined && FOR_GOOD.has(status) ? [{ sopInstanceUid, status, detail: nameOf(status) }] : [],
  );
  if (refused.length > 0) throw rejectionOf(refused);
  if (open.length > 0) throw new HubError('partner.busy', { instances: open.length, detail: detailOf(open) });
  return { missing: [], detail: 'storage commitment' };
}

function detailOf(failures: readonly { readonly status: number | undefined }[]): string {
  const counts = new Map<string, number>();
  for (const { status } of failures) {
    const name = status === undefined ? 'not named in the report' : nameOf(status);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const parts = [...counts].map(([name, count]) => `${name} × ${String(count)}`);
  return `storage commitment: ${parts.join('; ')}`;
}

function nameOf(status: number): string {
  const code = `0x${status.toString(16).toUpperCase().padStart(4, '0')}`;
  const words = REASONS[status];
  return words === undefined ? code : `${code} ${words}`;
}
