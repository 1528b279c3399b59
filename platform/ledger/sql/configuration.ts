/** Configurations that were in force, and the past they are tried on. */
import { v7 as uuidv7 } from 'uuid';
import type { StudyInstanceUid } from '../../../core/identifiers.ts';
import type { Attributes, Page } from '../../../core/ledger/common.ts';
import type { Provenance } from '../../../core/ledger/instances.ts';
import type { SeriesRow } from '../../../core/ledger/studies.ts';
import type {
  ActivationCause,
  ActivationRow,
  HistoricStudyRow,
  HistoryCursor,
  NewActivation,
} from '../../../core/ledger/configuration.ts';
import { openList } from './page.ts';
import type { Database, Script } from './script.ts';

interface ActivationTableRow {
  readonly activation_id: string;
  readonly version: string;
  readonly previous: string | null;
  readonly node: string;
  readonly cause: ActivationCause;
  readonly actor: string;
  readonly file: string | null;
  readonly activated_at: string;
}

const SELECT = 'SELECT * FROM configuration_activations';

export function configurationWrites(db: Database) {
  const latest = db.query<ActivationTableRow>(`${SELECT} WHERE node = ? ORDER BY entry DESC LIMIT 1`);
  const keep = db.query(
    `INSERT INTO configuration_versions (version, document, first_at) VALUES (?, ?, ?) ON CONFLICT (version) DO NOTHING`,
  );
  const insert = db.query(
    `INSERT INTO configuration_activations (activation_id, version, previous, node, cause, actor, file, activated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );

  return {
    *activate(now: Date, next: NewActivation): Script<{ readonly activation: ActivationRow; readonly isNew: boolean }> {
      // A node is one process; two that believe to be the same one must not both come after the same row.
      yield* db.lock(`configuration ${next.node}`);
      const before = yield* latest.get(next.node);
      if (before?.version === next.version) return { activation: toActivation(before), isNew: false };
      const { document, ...row } = next;
      const activation: ActivationRow = {
        ...row,
        activationId: uuidv7(),
        ...(before === undefined ? {} : { previous: before.version }),
        activatedAt: now.toISOString(),
      };
      yield* keep.send(next.version, document, activation.activatedAt);
      yield* insert.send(
        activation.activationId,
        activation.version,
        activation.previous,
        activation.node,
        activation.cause,
        activation.actor,
        activation.file,
        activation.activatedAt,
      );
      return { activation, isNew: true };
    },
  };
}

interface HistoricRow {
  readonly study: number;
  readonly study_instance_uid: StudyInstanceUid;
  readonly revision: number;
  readonly completed_at: number;
  readonly series_instance_uid: SeriesRow['seriesInstanceUid'] | null;
  readonly provenance: string | null;
  readonly attributes: string | null;
}

export function configurationReads(db: Database) {
  const list = openList<ActivationTableRow>(db, {
    select: SELECT,
    key: 'entry',
    find: 'SELECT entry AS key FROM configuration_activations WHERE activation_id = ?',
  });
  const lastOf = db.query<ActivationTableRow>(`${SELECT} WHERE version = ? ORDER BY entry DESC LIMIT 1`);
  const document = db.query<{ readonly document: string }>(
    'SELECT document FROM configuration_versions WHERE version = ?',
  );
  const like = db.query<{ readonly version: string }>(
    'SELECT version FROM configuration_versions WHERE substr(version, 1, length(CAST(? AS TEXT))) = ? LIMIT 2',
  );
  // Back along what was delivered under a UID of the hub's own to the study it was made of; UNION, for it went to several.
  const generation = db.query<{ readonly generation: number | null }>(
    `WITH RECURSIVE back (study, generation) AS (
       SELECT study, 0 FROM studies WHERE study_instance_uid = ?
       UNION
       SELECT r.study, back.generation + 1
       FROM back JOIN studies own ON own.study = back.study
       JOIN deliveries d ON d.released_study_instance_uid = own.study_instance_uid
       JOIN runs r ON r.run = d.run
       WHERE r.study <> back.study AND back.generation < CAST(? AS INTEGER))
     SELECT max(generation) AS generation FROM back`,
  );
  // One statement for a page of studies with their series: a hundred thousand studies are some hundreds of these.
  const history = db.query<HistoricRow>(
    `SELECT p.study, p.study_instance_uid, p.revision, p.completed_at, s.series_instance_uid, s.provenance, s.attributes
     FROM (SELECT study, study_instance_uid, revision, completed_at FROM studies
           WHERE completed_at IS NOT NULL AND (completed_at, study) > (CAST(? AS BIGINT), CAST(? AS BIGINT))
           ORDER BY completed_at, study LIMIT ?) p
     LEFT JOIN series s ON s.study = p.study
     ORDER BY p.completed_at, p.study, s.series`,
  );

  return {
    *activations(page: Page & { readonly node?: string }): Script<readonly ActivationRow[]> {
      return (yield* list(page, ['node = ?', page.node])).map(toActivation);
    },
    *lastOf(version: string): Script<ActivationRow | undefined> {
      const row = yield* lastOf.get(version);
      return row === undefined ? undefined : toActivation(row);
    },
    *document(version: string): Script<string | undefined> {
      return (yield* document.get(version))?.document;
    },
    *versionsLike(prefix: string): Script<readonly string[]> {
      return (yield* like.all(prefix, prefix)).map(({ version }) => version);
    },
    *generationOf(study: StudyInstanceUid, atMost: number): Script<number> {
      return (yield* generation.get(study, atMost))?.generation ?? 0;
    },
    *history(
      since: Date,
      { limit, after }: { readonly limit: number; readonly after?: HistoryCursor },
    ): Script<{ readonly studies: readonly HistoricStudyRow[]; readonly next?: HistoryCursor }> {
      const rows = yield* history.all(after?.completedAtMs ?? since.getTime() - 1, after?.study ?? MAX_KEY, limit);
      const studies = [...Map.groupBy(rows, ({ study }) => study).values()].flatMap(toHistoric);
      const last = rows.at(-1);
      if (studies.length < limit || last === undefined) return { studies };
      return { studies, next: { completedAtMs: last.completed_at, study: last.study } };
    },
  };
}

/** Beyond every key there will be: behind all studies of the millisecond before. */
const MAX_KEY = Number.MAX_SAFE_INTEGER;

function toHistoric(rows: readonly HistoricRow[]): readonly HistoricStudyRow[] {
  const [first] = rows;
  if (first === undefined) return [];
  return [
    {
      studyInstanceUid: first.study_instance_uid,
      revision: first.revision,
      completedAt: new Date(first.completed_at).toISOString(),
      series: rows.flatMap(({ series_instance_uid: seriesInstanceUid, provenance, attributes }) =>
        seriesInstanceUid === null || provenance === null || attributes === null
          ? []
          : [
              {
                seriesInstanceUid,
                provenance: JSON.parse(provenance) as Provenance,
                attributes: JSON.parse(attributes) as Attributes,
              },
            ],
      ),
    },
  ];
}

function toActivation(row: ActivationTableRow): ActivationRow {
  return {
    activationId: row.activation_id,
    version: row.version,
    ...(row.previous === null ? {} : { previous: row.previous }),
    node: row.node,
    cause: row.cause,
    actor: row.actor,
    ...(row.file === null ? {} : { file: row.file }),
    activatedAt: row.activated_at,
  };
}
