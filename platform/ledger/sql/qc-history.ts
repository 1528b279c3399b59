/** What quality control measured: one row a scan and revision, written with the result of the step that measured it. */
import { v7 as uuidv7 } from 'uuid';
import type { Page } from '../../../core/ledger/common.ts';
import type { PastQuestion, PastScan, QcHistoryRow, QcScan } from '../../../core/ledger/qc-history.ts';
import { openList } from './page.ts';
import type { Database, Script } from './script.ts';

/** Adds a step's scans, in the transaction that takes its result. Again: the same rows, and a person's decision stays. */
export function qcHistoryWriter(db: Database) {
  const insert = db.query(
    `INSERT INTO qc_history (quality_id, scan_key, study, revision, protocol_key, scanner_key, series_instance_uid, kind,
                             verdict, accepted, recorded_at, measures, parameters)
     SELECT CAST(? AS TEXT), CAST(? AS TEXT), study, revision, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),
            CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS INTEGER), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT)
     FROM runs WHERE run = ?
     ON CONFLICT (scan_key, revision) DO UPDATE SET
       protocol_key = excluded.protocol_key, scanner_key = excluded.scanner_key, kind = excluded.kind,
       series_instance_uid = excluded.series_instance_uid, verdict = excluded.verdict, measures = excluded.measures,
       parameters = excluded.parameters,
       accepted = CASE WHEN qc_history.decided_at IS NULL THEN excluded.accepted ELSE qc_history.accepted END`,
  );

  return function* (run: number, scans: readonly QcScan[], now: Date): Script<void> {
    for (const scan of scans)
      yield* insert.send(
        uuidv7(),
        scan.scanKey,
        scan.protocolKey,
        scan.scannerKey,
        scan.seriesInstanceUid,
        scan.kind,
        scan.verdict,
        Number(scan.accepted),
        now.toISOString(),
        JSON.stringify(scan.measures),
        JSON.stringify(scan.parameters),
        run,
      );
  };
}

export function qcHistoryWrites(db: Database) {
  const decide = db.query('UPDATE qc_history SET accepted = ?, decided_at = ? WHERE quality_id = ?');
  return {
    *decide(now: Date, qualityId: string, accepted: boolean): Script<boolean> {
      return (yield* decide.run(Number(accepted), now.toISOString(), qualityId)) === 1;
    },
  };
}

interface QcTableRow {
  readonly quality_id: string;
  readonly scan_key: string;
  readonly study_instance_uid: string;
  readonly revision: number;
  readonly protocol_key: string;
  readonly scanner_key: string;
  readonly series_instance_uid: string;
  readonly kind: string;
  readonly verdict: string;
  readonly accepted: number;
  readonly decided_at: string | null;
  readonly recorded_at: string;
  readonly measures: string;
  readonly parameters: string;
}

const COLUMNS = `h.quality_id, h.scan_key, s.study_instance_uid, h.revision, h.protocol_key, h.scanner_key,
  h.series_instance_uid, h.kind, h.verdict, h.accepted, h.decided_at, h.recorded_at, h.measures, h.parameters`;
const TABLES = 'qc_history h JOIN studies s ON s.study = h.study';

export function qcHistoryReads(db: Database) {
  const past = db.query<Pick<QcTableRow, 'measures' | 'parameters' | 'recorded_at'>>(
    `SELECT measures, parameters, recorded_at FROM qc_history h
     WHERE protocol_key = ? AND accepted = 1 AND scan_key <> ?
       AND NOT EXISTS (SELECT 1 FROM qc_history later WHERE later.scan_key = h.scan_key AND later.revision > h.revision)
     ORDER BY entry DESC LIMIT ?`,
  );
  const get = db.query<QcTableRow>(`SELECT ${COLUMNS} FROM ${TABLES} WHERE h.quality_id = ?`);
  const list = openList<QcTableRow>(db, {
    select: `SELECT ${COLUMNS} FROM ${TABLES}`,
    key: 'h.entry',
    find: 'SELECT entry AS key FROM qc_history WHERE quality_id = ?',
  });

  return {
    *past({ protocolKey, exceptScan, limit }: PastQuestion): Script<readonly PastScan[]> {
      return (yield* past.all(protocolKey, exceptScan, limit)).map((row) => ({
        measures: parseMeasures(row.measures),
        parameters: parseParameters(row.parameters),
        recordedAt: row.recorded_at,
      }));
    },
    *list(
      page: Page & {
        readonly accepted?: boolean;
        readonly verdict?: string;
        readonly study?: string;
        readonly protocol?: string;
        readonly scanner?: string;
      },
    ): Script<readonly QcHistoryRow[]> {
      const { accepted, verdict, study, protocol, scanner } = page;
      const rows = yield* list(
        page,
        ['h.accepted = ?', accepted === undefined ? undefined : Number(accepted)],
        ['h.verdict = ?', verdict],
        ['s.study_instance_uid = ?', study],
        ['h.protocol_key = ?', protocol],
        ['h.scanner_key = ?', scanner],
      );
      return rows.map(toRow);
    },
    *get(qualityId: string): Script<QcHistoryRow | undefined> {
      const row = yield* get.get(qualityId);
      return row === undefined ? undefined : toRow(row);
    },
  };
}

function toRow(row: QcTableRow): QcHistoryRow {
  return {
    qualityId: row.quality_id,
    scanKey: row.scan_key,
    studyInstanceUid: row.study_instance_uid,
    revision: row.revision,
    protocolKey: row.protocol_key,
    scannerKey: row.scanner_key,
    seriesInstanceUid: row.series_instance_uid,
    kind: row.kind,
    verdict: row.verdict,
    accepted: row.accepted === 1,
    ...(row.decided_at === null ? {} : { decidedAt: row.decided_at }),
    recordedAt: row.recorded_at,
    measures: parseMeasures(row.measures),
    parameters: parseParameters(row.parameters),
  };
}

const parseMeasures = (text: string) => JSON.parse(text) as QcScan['measures'];
const parseParameters = (text: string) => JSON.parse(text) as QcScan['parameters'];
