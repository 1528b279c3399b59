/**
 * A replica in a process of its own that reads for a group until it is killed. It tells its parent each event before
 * and after it has handled it; the key `slow` it handles when it is told to go on.
 */
import type { PositionedEvent } from '../../../core/events.ts';
import { openEmbeddedBus } from '../../../platform/bus/embedded.ts';
import { openPostgresLedger } from '../../../platform/ledger/postgres/client.ts';
import type { PostgresServer } from '../../../platform/ledger/postgres/connection.ts';
import { silentLog } from '../../support/silent-log.ts';

export interface MemberOrder {
  readonly server: PostgresServer;
  readonly owner: string;
  readonly leaseMs: number;
}
/** `begun`, `done` with the position of an event; `ready` once it is one of the group. */
export interface MemberNews {
  readonly what: 'ready' | 'begun' | 'done';
  readonly position?: number;
}

const tell = (news: MemberNews) => process.send?.(news);
const [order = ''] = process.argv.slice(2);
const { server, owner, leaseMs } = JSON.parse(order) as MemberOrder;
const clock = { now: () => new Date() };
const ledger = await openPostgresLedger({
  ...{ server, clock, log: silentLog, node: owner, poolSize: 2 },
  onFailure: (error) => {
    throw error;
  },
});
const bus = openEmbeddedBus({ ledger, log: silentLog, clock: ledger.clock, replica: { owner, leaseMs } });
const handle = async ({ position, key }: PositionedEvent) => {
  tell({ what: 'begun', position });
  if (key === 'slow') await new Promise((resolve) => process.once('message', resolve));
  tell({ what: 'done', position });
};
await bus.subscribe({ group: 'router', streams: ['hub.audit.v1'], from: 'earliest' }, handle);
tell({ what: 'ready' });
