/** Partners: what was granted to them, what was released to them, and the deliveries of it. Every question names its partner. */
import type { InboxEntry, Page } from '../../../core/ledger/common.ts';
import type { DeliveryAttempt, DeliveryState } from '../../../core/ledger/deliveries.ts';
import type {
  NewPartnerRelease,
  PartnerChange,
  PartnerDelivery,
  PartnerGrantRow,
  PartnerRelease,
} from '../../../core/ledger/partners.ts';
import {
  changedGrant,
  type GrantChange,
  type PartnerGrant,
  partnerStream,
  type RegisteredPartner,
} from '../../../core/partners.ts';
import type { PartnerStream } from '../../../core/streams.ts';
import type { EventLog, SealedEvent } from './events.ts';
import type { Database, Parameter, Script, Statement } from './script.ts';

/** Where a name that was a partner's once has left something. */
const PAST = ['partners', 'partner_grants', 'partner_releases', 'deliveries', 'webhooks', 'tokens'];
/** Of each partner: who reads them looks at the latest; what was done is in the audit too. */
const KEPT_CHANGES = 1_000;

export function partnerWrites(db: Database, log: EventLog) {
  const grant = db.query(
    `INSERT INTO partner_grants (partner, granted, changed_at) VALUES (?, ?, ?)
     ON CONFLICT (partner) DO UPDATE SET granted = excluded.granted, changed_at = excluded.changed_at`,
  );
  const granted = db.query<{ granted: string }>(
    `SELECT granted FROM partner_grants WHERE partner = ?${db.dialect.forUpdate}`,
  );
  const note = db.query('INSERT INTO partner_changes (partner, actor, change, changed_at) VALUES (?, ?, ?, ?)');
  const forget = db.query(
    `DELETE FROM partner_changes WHERE partner = ? AND entry < (SELECT entry FROM partner_changes WHERE partner = ?
       ORDER BY entry DESC LIMIT 1 OFFSET ${String(KEPT_CHANGES - 1)})`,
  );
  const count = db.query<{ partners: number }>('SELECT count(*) AS partners FROM partners');
  const past = db.query<{ found: number }>(
    PAST.map((table) => `SELECT 1 AS found FROM ${table} WHERE partner = ?`).join(' UNION ALL ') +
      ' UNION ALL SELECT 1 AS found FROM events WHERE stream = ? LIMIT 1',
  );
  const make = db.query('INSERT INTO partners (partner, description, contact, created_at) VALUES (?, ?, ?, ?)');
  const change = function* (now: Date, partner: string, asked: GrantChange, actor: string): Script<void> {
    // Also where there is no row yet that could be locked.
    yield* db.lock(`grant of ${partner}`);
    const row = yield* granted.get(partner);
    const before = row === undefined ? {} : (JSON.parse(row.granted) as PartnerGrant);
    yield* grant.send(partner, JSON.stringify(changedGrant(before, asked)), now.toISOString());
    yield* note.send(partner, actor, JSON.stringify(asked), now.toISOString());
    yield* forget.send(partner, partner);
  };
  const release = db.query(
    `INSERT INTO partner_releases (partner, study_instance_uid, run_id, route, released_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  );
  return {
    changeGrant: change,
    *register(
      now: Date,
      { name, description, contact }: Omit<RegisteredPartner, 'createdAt'>,
      asked: GrantChange,
      actor: string,
      limit: number,
    ): Script<'made' | 'taken' | 'too-many'> {
      // Two at the same moment would both find the name free, and room for the last one.
      yield* db.lock('partners made at run time');
      const names = PAST.map(() => name);
      if ((yield* past.get(...names, partnerStream(name))) !== undefined) return 'taken';
      if (((yield* count.get())?.partners ?? 0) >= limit) return 'too-many';
      yield* make.send(name, description, contact, now.toISOString());
      yield* change(now, name, asked, actor);
      return 'made';
    },
    *project(
      now: Date,
      inbox: InboxEntry,
      events: readonly SealedEvent[],
      released: NewPartnerRelease | undefined,
    ): Script<'recorded' | 'already'> {
      if (!(yield* log.enter(inbox, now))) return 'already';
      if (released !== undefined) {
        const { partner, studyInstanceUid, runId, route, releasedAtMs } = released;
        yield* release.send(partner, studyInstanceUid, runId, route, releasedAtMs);
      }
      yield* log.append(events);
      return 'recorded';
    },
  };
}

interface ReleaseRow {
  readonly release: number;
  readonly partner: string;
  readonly study_instance_uid: string;
  readonly run_id: string;
  readonly route: string;
  readonly released_at: number;
  readonly revision: number;
}

interface DeliveryRow {
  readonly delivery: number;
  readonly delivery_id: string;
  readonly destination: string;
  readonly released_study_instance_uid: string;
  readonly route: string;
  readonly released_at: number;
  readonly revision: number;
  readonly state: DeliveryState;
  readonly created_at: string;
  readonly attempts: number;
  readonly leased: 0 | 1;
  readonly ready_at: number;
}

const SELECT_RELEASE = 'SELECT p.*, r.revision FROM partner_releases p JOIN runs r USING (run_id)';
/** Of runs that were released to the partner, under the UID of the release: of anything else the UID may be the original one. */
const SELECT_DELIVERY = `SELECT d.*, r.revision, p.route, p.released_at
  FROM deliveries d JOIN runs r USING (run)
  JOIN partner_releases p ON p.partner = d.partner AND p.run_id = r.run_id
    AND p.study_instance_uid = d.released_study_instance_uid
  WHERE d.partner = ?`;

export function partnerReads(db: Database) {
  const grants = db.query<{ partner: string; granted: string; changed_at: string }>(
    'SELECT * FROM partner_grants ORDER BY partner',
  );
  const changed = db.query<{ actor: string; change: string; changed_at: string }>(
    'SELECT actor, change, changed_at FROM partner_changes WHERE partner = ? ORDER BY entry DESC LIMIT ?',
  );
  const registered = db.query<{
    readonly partner: string;
    readonly description: string | null;
    readonly contact: string | null;
    readonly created_at: string;
  }>('SELECT * FROM partners ORDER BY partner');
  const ofStudy = db.query<ReleaseRow>(
    `${SELECT_RELEASE} WHERE p.partner = ? AND p.study_instance_uid = ? ORDER BY p.release DESC`,
  );
  const listed = db.query<ReleaseRow>(
    `${SELECT_RELEASE} WHERE p.partner = ? AND p.release < ? ORDER BY p.release DESC LIMIT ?`,
  );
  const delivery = db.query<DeliveryRow>(`${SELECT_DELIVERY} AND d.delivery_id = ?`);
  const history = db.query<{
    readonly attempt: number;
    readonly started_at: string;
    readonly duration_ms: number;
    readonly outcome: DeliveryAttempt['outcome'];
    readonly code: string | null;
  }>('SELECT * FROM delivery_attempts WHERE delivery = ? ORDER BY entry');
  const newest = db.query<{ position: number }>(
    'SELECT position FROM events WHERE stream = ? ORDER BY position DESC LIMIT 1',
  );
  const next = db.query<{ position: number; time: string }>(
    'SELECT position, time FROM events WHERE stream = ? AND position >= ? ORDER BY position LIMIT 1',
  );

  const lists = new Map<string, Statement<DeliveryRow>>();
  const deliveryList = (withState: boolean, withBefore: boolean): Statement<DeliveryRow> => {
    const sql =
      SELECT_DELIVERY +
      (withState ? ' AND d.state = ?' : '') +
      (withBefore ? ' AND d.delivery < (SELECT delivery FROM deliveries WHERE delivery_id = ? AND partner = ?)' : '') +
      ' ORDER BY d.delivery DESC LIMIT ?';
    const known = lists.get(sql) ?? db.query<DeliveryRow>(sql);
    lists.set(sql, known);
    return known;
  };

  return {
    *grants(): Script<readonly PartnerGrantRow[]> {
      return (yield* grants.all()).map((row) => ({
        partner: row.partner,
        // Checked when it was set.
        grant: JSON.parse(row.granted) as PartnerGrant,
        changedAt: row.changed_at,
      }));
    },
    *changes(partner: string, limit: number): Script<readonly PartnerChange[]> {
      return (yield* changed.all(partner, limit)).map((row) => ({
        actor: row.actor,
        changedAt: row.changed_at,
        // Checked when it was made.
        change: JSON.parse(row.change) as GrantChange,
      }));
    },
    *registered(): Script<readonly RegisteredPartner[]> {
      return (yield* registered.all()).map((row) => ({
        name: row.partner,
        ...(row.description === null ? {} : { description: row.description }),
        ...(row.contact === null ? {} : { contact: row.contact }),
        createdAt: row.created_at,
      }));
    },
    *releasesOf(partner: string, studyInstanceUid: string): Script<readonly PartnerRelease[]> {
      return (yield* ofStudy.all(partner, studyInstanceUid)).map(toRelease);
    },
    *releases(partner: string, { limit, before }: Page): Script<readonly PartnerRelease[]> {
      const below = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
      return (yield* listed.all(partner, below, limit)).map(toRelease);
    },
    *deliveries(
      partner: string,
      { limit, before, state }: Page & { readonly state?: DeliveryState },
    ): Script<readonly PartnerDelivery[]> {
      const parameters: Parameter[] = [partner];
      if (state !== undefined) parameters.push(state);
      if (before !== undefined) parameters.push(before, partner);
      const rows = yield* deliveryList(state !== undefined, before !== undefined).all(...parameters, limit);
      return rows.map((row) => toDelivery(row));
    },
    *delivery(partner: string, deliveryId: string): Script<PartnerDelivery | undefined> {
      const row = yield* delivery.get(partner, deliveryId);
      if (row === undefined) return undefined;
      const attempts = (yield* history.all(row.delivery)).map((attempt) => ({
        attempt: attempt.attempt,
        startedAt: attempt.started_at,
        durationMs: attempt.duration_ms,
        outcome: attempt.outcome,
        ...(attempt.code === null ? {} : { code: attempt.code }),
      }));
      return toDelivery(row, attempts);
    },
    *positionBefore(stream: PartnerStream, at: Date): Script<number> {
      // The stream is in the order of time but for clocks that were set back: there it is somewhere between the two.
      const last = (yield* newest.get(stream))?.position ?? 0;
      let [low, high] = [0, last + 1];
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const event = yield* next.get(stream, middle);
        if (event === undefined || Date.parse(event.time) >= at.getTime()) high = middle;
        else low = event.position + 1;
      }
      return Math.max(0, low - 1);
    },
  };
}

function toRelease(row: ReleaseRow): PartnerRelease {
  return {
    releaseId: String(row.release),
    partner: row.partner,
    studyInstanceUid: row.study_instance_uid,
    runId: row.run_id,
    route: row.route,
    releasedAtMs: row.released_at,
    revision: row.revision,
  };
}

function toDelivery(row: DeliveryRow, history: PartnerDelivery['history'] = []): PartnerDelivery {
  return {
    deliveryId: row.delivery_id,
    destination: row.destination,
    studyInstanceUid: row.released_study_instance_uid,
    route: row.route,
    releasedAtMs: row.released_at,
    revision: row.revision,
    state: row.state,
    createdAt: row.created_at,
    attempts: row.attempts,
    ...(row.state === 'pending' && row.leased === 0 ? { dueAt: new Date(row.ready_at).toISOString() } : {}),
    history,
  };
}
