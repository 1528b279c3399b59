/** What quality control measured: the scans that later ones are held against, and a person's word on each. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import type { QcHistoryRow } from '../core/ledger/qc-history.ts';
import { type Operation, operation } from './operation.ts';
import { listPage, pageOf } from './page.ts';
import type { ApiPorts } from './ports.ts';
import { OPERATORS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';

const qualityParams = z.object({ qualityId: z.uuid() });
const key = z.string().regex(/^[0-9a-f]{1,64}$/);
const verdict = z.enum(['pass', 'warn', 'fail', 'not-enough-history']);
const scan = z.object({
  qualityId: z.string(),
  studyInstanceUid: z.string(),
  revision: z.int(),
  seriesInstanceUid: z.string().describe('As the step saw it: de-identified where it came after that'),
  kind: z.string(),
  verdict: z.string(),
  accepted: z.boolean().describe('Later scans with the same protocolKey are held against it'),
  decidedAt: z.string().optional().describe('When a person accepted or rejected it'),
  recordedAt: z.string(),
  protocolKey: z.string().describe('Of scanner and protocol: scans with the same one are compared'),
  scannerKey: z.string(),
  measures: z.record(z.string(), z.number().nullable()),
  parameters: z.record(z.string(), z.union([z.number(), z.string()])),
});

export function qualityOperations({ ledger }: ApiPorts): readonly Operation[] {
  const decide = (accepted: boolean) =>
    operation({
      method: 'post',
      path: `/quality/{qualityId}/${accepted ? 'accept' : 'reject'}`,
      tag: 'quality',
      summary: accepted
        ? 'Holds later scans of the same scanner and protocol against this one, whatever its verdict was'
        : 'Holds no later scan against this one',
      roles: OPERATORS,
      params: qualityParams,
      answer: scan,
      audit: accepted ? 'quality.accept' : 'quality.reject',
      subject: ({ qualityId }) => qualityId,
      handle: async ({ params: { qualityId } }) => {
        if (!(await ledger.quality.decide(qualityId, accepted))) throw new HubError('resource.not-found');
        return show(await find(ledger.quality, qualityId));
      },
    });
  return [
    operation({
      method: 'get',
      path: '/quality',
      tag: 'quality',
      summary: 'Measured scans, newest first: by study, by scanner and protocol, by verdict',
      roles: READERS,
      query: shapes.pageQuery.extend({
        accepted: z.enum(['true', 'false']).optional(),
        verdict: verdict.optional(),
        study: z
          .string()
          .regex(/^[0-9.]{1,64}$/)
          .optional(),
        protocol: key.optional().describe('A protocolKey'),
        scanner: key.optional().describe('A scannerKey'),
      }),
      answer: shapes.listOf(scan),
      handle: async ({ query: { accepted, verdict: asked, study, protocol, scanner, ...page } }) => {
        const rows = await ledger.quality.list({
          ...pageOf(page),
          ...(accepted === undefined ? {} : { accepted: accepted === 'true' }),
          ...(asked === undefined ? {} : { verdict: asked }),
          ...(study === undefined ? {} : { study }),
          ...(protocol === undefined ? {} : { protocol }),
          ...(scanner === undefined ? {} : { scanner }),
        });
        return listPage(rows.map(show), page.limit, ({ qualityId }) => qualityId);
      },
    }),
    operation({
      method: 'get',
      path: '/quality/{qualityId}',
      tag: 'quality',
      summary: 'One measured scan',
      roles: READERS,
      params: qualityParams,
      answer: scan,
      handle: async ({ params: { qualityId } }) => show(await find(ledger.quality, qualityId)),
    }),
    decide(true),
    decide(false),
  ];
}

async function find(quality: ApiPorts['ledger']['quality'], qualityId: string): Promise<QcHistoryRow> {
  const row = await quality.get(qualityId);
  if (row === undefined) throw new HubError('resource.not-found');
  return row;
}

function show({ scanKey: _, ...row }: QcHistoryRow): z.input<typeof scan> {
  return { ...row, measures: { ...row.measures }, parameters: { ...row.parameters } };
}
