/** Storage commitments: what sources asked the hub to be answerable for, what was decided, and whether they were told. */
import { HubError } from '../core/errors.ts';
import type { CommitmentRow } from '../core/ledger/commitments.ts';
import { type Operation, operation } from './operation.ts';
import { listPage, pageOf } from './page.ts';
import type { ApiPorts } from './ports.ts';
import { READERS } from './roles.ts';
import * as shapes from './shapes.ts';

/** A request may name 100,000 instances. */
const MAX_FAILED = 1_000;

export function commitmentOperations({ ledger }: ApiPorts): readonly Operation[] {
  return [
    operation({
      method: 'get',
      path: '/commitments',
      tag: 'commitments',
      summary: 'Storage commitments, newest first; failed: its source could not be told',
      roles: READERS,
      query: shapes.pageQuery.extend({ state: shapes.commitmentState.optional() }),
      answer: shapes.listOf(shapes.commitment),
      handle: async ({ query: { state, ...page } }) => {
        const rows = await ledger.commitments.list({ ...pageOf(page), ...(state === undefined ? {} : { state }) });
        return listPage(rows.map(show), page.limit, ({ commitmentId }) => commitmentId);
      },
    }),
    operation({
      method: 'get',
      path: '/commitments/{commitmentId}',
      tag: 'commitments',
      summary: `One of them with its attempts, and the first ${MAX_FAILED.toLocaleString('en')} instances that were not promised`,
      roles: READERS,
      params: shapes.commitmentParams,
      answer: shapes.commitmentWithHistory,
      handle: async ({ params: { commitmentId } }) => {
        const row = await ledger.commitments.get(commitmentId);
        if (row === undefined) throw new HubError('resource.not-found');
        const items = row.failures === 0 ? [] : await ledger.commitments.items(commitmentId);
        const failed = items.flatMap(({ sopInstanceUid, failureReason: reason }) =>
          reason === undefined ? [] : [{ sopInstanceUid, failureReason: `0x${reason.toString(16).padStart(4, '0')}` }],
        );
        return { ...show(row), history: [...row.history], failed: failed.slice(0, MAX_FAILED) };
      },
    }),
  ];
}

function show({ commitmentId, transactionUid, source, callingAeTitle, state, ...row }: CommitmentRow) {
  const { requestedAt, decidedAt, endedAt, dueAt, attempts, items: instances, failures, reason } = row;
  return {
    ...{ commitmentId, transactionUid, source, callingAeTitle, state, requestedAt, instances, failures, attempts },
    ...(decidedAt === undefined ? {} : { decidedAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(dueAt === undefined ? {} : { dueAt: dueAt.toISOString() }),
    ...(reason === undefined ? {} : { reason }),
  };
}
