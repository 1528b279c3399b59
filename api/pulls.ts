/** Pulls: what the hub fetches from other archives, how far it is, and having it begin, pause, go on or stop. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import {
  PULL_RUN_KINDS,
  PULL_RUN_STATES,
  PULL_STUDY_STATES,
  type PullRunKind,
  type PullRunRow,
  type PullState,
} from '../core/ledger/pulls.ts';
import { type Operation, operation } from './operation.ts';
import { listPage, pageOf } from './page.ts';
import type { ApiPorts } from './ports.ts';
import { OPERATORS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/);
const params = z.object({ pull: name });
const time = z.string().describe('UTC, ISO 8601');
const count = z.int().min(0);
const uid = z.string().regex(/^[0-9.]{1,64}$/);
const date = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d$/)
  .refine(isDate, 'no such day')
  .describe('2026-03-01');

/** The longest back-fill; more would be a mistyped year. */
const MAX_DAYS = 36_525;
const SHOWN_RUNS = 20;
const SHOWN_FAILURES = 200;

const run = z.object({
  runId: z.string(),
  kind: z.enum(PULL_RUN_KINDS),
  state: z.enum(PULL_RUN_STATES),
  requestedAt: time,
  endedAt: time.optional(),
  from: z.string().optional(),
  to: z.string().optional(),
  reason: z.string().optional(),
  questions: count.describe('What is asked of the source, a day or an accession number each'),
  answered: count,
  unanswered: count,
  found: count,
  fetched: count,
  skipped: count.describe('All of it was here already'),
  failed: count,
  instances: count.describe('Of the fetched studies, as the ledger holds them'),
});
const study = z.object({
  studyInstanceUid: uid,
  state: z.enum(PULL_STUDY_STATES),
  attempts: count,
  instances: count.optional().describe('At the source, when it was found'),
  held: count.optional(),
  dueAt: time.optional(),
  updatedAt: time,
  code: z.string().optional(),
  reason: z.string().optional(),
});
const pull = z.object({
  name: z.string(),
  state: z.enum(['enabled', 'disabled', 'paused']),
  source: z.string().describe('Where it fetches from'),
  retrieve: z.enum(['c-move', 'c-get', 'wado-rs']),
  schedule: z.string().optional(),
  nextAt: time.optional().describe('When its schedule fires'),
  opensAt: time.optional().describe('Its windows are closed: it asks and fetches nothing before then'),
  found: count.describe('Studies that wait'),
  fetching: count,
  done: count,
  failed: count,
});
const acted = z.object({ pull: z.string(), state: z.string() });
const begun = acted.extend({ runId: z.string(), opensAt: pull.shape.opensAt });

export function pullOperations(ports: ApiPorts): readonly Operation[] {
  const { ledger } = ports;
  const act = { roles: OPERATORS, params, tag: 'pulls' } as const;
  return [
    operation({
      method: 'get',
      path: '/pulls',
      tag: 'pulls',
      summary: 'What the hub fetches from other archives, and how many studies wait',
      roles: READERS,
      answer: z.object({ items: z.array(pull) }),
      handle: async () => {
        const backlog = await ledger.pulls.backlog();
        const configured = ports.catalogue().pulls ?? [];
        const items = configured.map(async (entry) =>
          show(ports, entry, await ledger.pulls.state(entry.name), backlog),
        );
        return { items: await Promise.all(items) };
      },
    }),
    operation({
      method: 'get',
      path: '/pulls/{pull}',
      tag: 'pulls',
      summary: `One of them with its last ${String(SHOWN_RUNS)} runs, and up to ${String(SHOWN_FAILURES)} studies that could not be fetched`,
      roles: READERS,
      params,
      answer: pull.extend({ runs: z.array(run), underWay: z.array(study), unfetched: z.array(study) }),
      handle: async ({ params: { pull: asked } }) => {
        const entry = required(ports, asked);
        const page = { pull: asked, limit: SHOWN_FAILURES };
        const [state, backlog, runs, underWay, unfetched] = await Promise.all([
          ledger.pulls.state(asked),
          ledger.pulls.backlog(),
          ledger.pulls.runs({ pull: asked, limit: SHOWN_RUNS }),
          ledger.pulls.studies({ ...page, state: 'fetching' }),
          ledger.pulls.studies({ ...page, state: 'failed' }),
        ]);
        return {
          ...show(ports, entry, state, backlog),
          runs: runs.map(showRun),
          underWay: [...underWay],
          unfetched: [...unfetched],
        };
      },
    }),
    operation({
      method: 'get',
      path: '/pulls/{pull}/studies',
      tag: 'pulls',
      summary: 'Studies that a pull has found, newest first',
      roles: READERS,
      params,
      query: shapes.pageQuery.extend({ state: z.enum(PULL_STUDY_STATES).optional() }),
      answer: shapes.listOf(study),
      handle: async ({ params: { pull: asked }, query: { state, ...page } }) => {
        required(ports, asked);
        // The cursor of these is a number.
        if (page.before !== undefined && !/^\d{1,15}$/.test(page.before)) throw new HubError('request.invalid');
        const rows = await ledger.pulls.studies({
          pull: asked,
          ...pageOf(page),
          ...(state === undefined ? {} : { state }),
        });
        return listPage(rows, page.limit, ({ entryId }) => entryId);
      },
    }),
    operation({
      ...act,
      method: 'post',
      path: '/pulls/{pull}/run',
      summary: 'It looks for studies now, whatever its schedule says; in its windows only',
      status: 202,
      answer: begun,
      audit: 'pull.run',
      handle: async ({ params: { pull: asked } }) => await begin(ports, asked, 'manual'),
    }),
    operation({
      ...act,
      method: 'post',
      path: '/pulls/{pull}/backfill',
      summary: 'It looks for studies of a range of days, a day at a time, behind everything else it does',
      body: z
        .object({ from: date, to: date })
        .refine(({ from, to }) => from <= to, 'from comes before to')
        .refine(({ from, to }) => daysOf(from, to) <= MAX_DAYS, 'a hundred years at most'),
      status: 202,
      answer: begun,
      audit: 'pull.backfill',
      handle: async ({ params: { pull: asked }, body }) =>
        await begin(ports, asked, 'backfill', { from: toDa(body.from), to: toDa(body.to) }),
    }),
    operation({
      ...act,
      method: 'post',
      path: '/pulls/{pull}/pause',
      summary: 'It asks and fetches nothing until it is resumed; what is under way goes on from there then',
      answer: acted,
      audit: 'pull.pause',
      handle: async ({ params: { pull: asked } }) => {
        required(ports, asked);
        await ledger.pulls.pause(asked, true);
        return { pull: asked, state: 'paused' };
      },
    }),
    operation({
      ...act,
      method: 'post',
      path: '/pulls/{pull}/resume',
      summary: 'It goes on after a pause',
      answer: acted,
      audit: 'pull.resume',
      handle: async ({ params: { pull: asked } }) => {
        required(ports, asked);
        await ledger.pulls.pause(asked, false);
        return { pull: asked, state: 'enabled' };
      },
    }),
    operation({
      ...act,
      method: 'post',
      path: '/pulls/{pull}/cancel',
      summary: 'Ends its runs, back-fills too; what was fetched stays',
      answer: acted.extend({ runs: count }),
      audit: 'pull.cancel',
      handle: async ({ params: { pull: asked } }) => {
        required(ports, asked);
        return { pull: asked, state: 'cancelled', runs: await ledger.pulls.cancel(asked) };
      },
    }),
  ];
}

type Entry = NonNullable<ReturnType<ApiPorts['catalogue']>['pulls']>[number];
type Backlog = Awaited<ReturnType<ApiPorts['ledger']['pulls']['backlog']>>;

/** @throws {HubError} `resource.not-found` */
function required({ catalogue }: ApiPorts, asked: string): Entry {
  const entry = catalogue().pulls?.find((each) => each.name === asked);
  if (entry === undefined) throw new HubError('resource.not-found', { detail: `no pull ${asked} is configured` });
  return entry;
}

async function begin(
  ports: ApiPorts,
  asked: string,
  kind: PullRunKind,
  days: { readonly from?: string; readonly to?: string } = {},
) {
  const entry = required(ports, asked);
  if (!entry.isEnabled)
    throw new HubError('resource.conflict', { detail: `${asked} is not enabled in the configuration` });
  const runId = randomUUID();
  await ports.ledger.pulls.request({ runId, pull: asked, kind, ...days });
  return { pull: asked, state: 'requested', runId, ...opening(ports, entry) };
}

function opening({ clock }: ApiPorts, { opensAt }: Entry): { readonly opensAt?: string } {
  const at = opensAt?.(clock.now());
  return at === undefined ? {} : { opensAt: at.toISOString() };
}

function show(ports: ApiPorts, entry: Entry, state: PullState, backlog: Backlog) {
  const { name: own, isEnabled, source, retrieve, schedule } = entry;
  const studies = (which: string) => backlog.find((row) => row.pull === own && row.state === which)?.studies ?? 0;
  return {
    name: own,
    state: !isEnabled ? ('disabled' as const) : state.isPaused ? ('paused' as const) : ('enabled' as const),
    ...{ source, retrieve },
    ...(schedule === undefined ? {} : { schedule }),
    ...(state.nextAt === undefined || !isEnabled ? {} : { nextAt: state.nextAt.toISOString() }),
    ...(isEnabled ? opening(ports, entry) : {}),
    ...{ found: studies('found'), fetching: studies('fetching'), done: studies('done'), failed: studies('failed') },
  };
}

function showRun({ pull: _, ...row }: PullRunRow) {
  return row;
}

function isDate(text: string): boolean {
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text);
}

function daysOf(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 86_400_000 + 1;
}

/** PS3.5 Section 6.2: DA */
const toDa = (text: string): string => text.replaceAll('-', '');
