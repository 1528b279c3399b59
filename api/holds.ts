/** What deliveries wait for that is not theirs: their destination's window and pause, the access of their partner. */
import type { Hold } from '../core/destination-hold.ts';
import type { DeliveryRow } from '../core/ledger/deliveries.ts';
import type { ApiPorts } from './ports.ts';

type Held<Row> = Omit<Row, 'dueAt'> & { readonly dueAt?: string | undefined; readonly waitingFor?: string[] };

/** As `shapes.delivery` has them: with why they wait, and not due before that ends. */
export async function withHolds<Row extends Pick<DeliveryRow, 'destination' | 'dueAt'>>(
  { holds: holdsOn }: Pick<ApiPorts, 'holds'>,
  rows: readonly Row[],
): Promise<readonly Held<Row>[]> {
  if (holdsOn === undefined) return rows;
  const wait = rows.filter(({ dueAt }) => dueAt !== undefined);
  const names = [...new Set(wait.map(({ destination }) => destination))];
  const found = new Map(await Promise.all(names.map(async (name) => [name, await holdsOn(name)] as const)));
  return rows.map((row) => {
    const holds = row.dueAt === undefined ? [] : (found.get(row.destination) ?? []);
    if (holds.length === 0) return row;
    return { ...row, dueAt: dueUnder(holds, row.dueAt ?? ''), waitingFor: holds.map(said) };
  });
}

/** The latest of all; undefined: one of them ends when somebody says so. ISO times in UTC sort as text. */
function dueUnder(holds: readonly Hold[], dueAt: string): string | undefined {
  return holds.reduce<string | undefined>((latest, hold) => {
    if (latest === undefined || !('until' in hold)) return undefined;
    const until = hold.until.toISOString();
    return until > latest ? until : latest;
  }, dueAt);
}

/** To the second: nobody waits for the milliseconds. */
function time(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, 'Z');
}

function said(hold: Hold): string {
  switch (hold.what) {
    case 'send-window':
      return `its send window, which opens at ${time(hold.until)}`;
    case 'breaker':
      return `its destination, which failed (${hold.reason}) and is tried again at ${time(hold.until)}`;
    case 'partner-suspended':
      return `partner ${hold.partner}, which is suspended`;
    case 'partner-ended':
      return `partner ${hold.partner}, whose access has ended`;
    default:
      return hold satisfies never;
  }
}
