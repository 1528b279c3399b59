/** Pages for people: the report that quality control left of a study, and how scanners have done over time. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { parseStudyInstanceUid, type StudyInstanceUid } from '../core/identifiers.ts';
import type { QcHistoryRow } from '../core/ledger/qc-history.ts';
import type { ArtefactItem } from '../core/store.ts';
import { type Operation, operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { OPERATORS } from './roles.ts';
import * as shapes from './shapes.ts';

const REPORT = 'qc/report.html';
const MAX_BYTES = 8 * 1024 * 1024;
/** Of each list; and in all. */
const PAGE = 500;
const MAX_SCANS = 2_000;
const key = z.string().regex(/^[0-9a-f]{1,64}$/);

export function qualityPageOperations({ ledger, store, trendPage }: ApiPorts): readonly Operation[] {
  return [
    operation({
      method: 'get',
      path: '/studies/{studyInstanceUid}/quality-report',
      tag: 'quality',
      summary:
        'The page that quality control left of the study, of the newest run that has one; of a held one, too (HTML)',
      roles: OPERATORS,
      params: shapes.studyParams,
      query: z.object({ route: z.string().max(64).optional().describe('Of a run of this route') }),
      answer: z.string(),
      isPage: true,
      handle: async ({ params, query }) => {
        const item = await reportOf(ledger, parseStudyInstanceUid(params.studyInstanceUid), query.route);
        if (item === undefined || store === undefined || item.sizeBytes > MAX_BYTES)
          throw new HubError('resource.not-found');
        const source = await store.open(item.blob);
        try {
          return Buffer.from(await source.read(0, source.sizeBytes)).toString('utf8');
        } finally {
          await source.close();
        }
      },
    }),
    operation({
      method: 'get',
      path: '/quality-trends',
      tag: 'quality',
      summary: 'Measures over time with control limits, by scanner and protocol (HTML)',
      roles: OPERATORS,
      query: z.object({
        protocol: key.optional().describe('A protocolKey'),
        scanner: key.optional().describe('A scannerKey'),
      }),
      answer: z.string(),
      isPage: true,
      handle: async ({ query }) => {
        if (trendPage === undefined) throw new HubError('resource.not-found');
        return trendPage(await newestScans(ledger, query));
      },
    }),
  ];
}

/** Runs come in the order in which they were opened. */
async function reportOf(
  ledger: ApiPorts['ledger'],
  study: StudyInstanceUid,
  route: string | undefined,
): Promise<ArtefactItem | undefined> {
  for (const { runId, route: ofRun } of (await ledger.runs.ofStudy(study)).toReversed()) {
    if (route !== undefined && route !== ofRun) continue;
    const items = [...((await ledger.runs.get(runId))?.items ?? []), ...(await ledger.overrides.kept(runId))];
    const found = items.findLast((item): item is ArtefactItem => item.kind === 'artefact' && item.name === REPORT);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function newestScans(
  ledger: ApiPorts['ledger'],
  { protocol, scanner }: { readonly protocol?: string | undefined; readonly scanner?: string | undefined },
): Promise<readonly QcHistoryRow[]> {
  const rows: QcHistoryRow[] = [];
  for (;;) {
    const before = rows.at(-1)?.qualityId;
    const more = await ledger.quality.list({
      limit: PAGE,
      ...(before === undefined ? {} : { before }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(scanner === undefined ? {} : { scanner }),
    });
    rows.push(...more);
    if (more.length < PAGE || rows.length >= MAX_SCANS) return rows;
  }
}
