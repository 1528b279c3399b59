/** Studies and their runs: what arrived, what was decided and done, and doing it again. */
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { parseStudyInstanceUid } from '../core/identifiers.ts';
import type { RunSummary } from '../core/ledger/runs.ts';
import type { SeriesRow } from '../core/ledger/studies.ts';
import { type Operation, operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { OPERATORS, READERS } from './roles.ts';
import * as shapes from './shapes.ts';
import { listPage, pageOf } from './page.ts';
import { REPLAY_STAGES, replayStudy } from './replay.ts';
import { showWaiting } from './waiting.ts';

export function studyOperations(ports: ApiPorts): readonly Operation[] {
  const { ledger, clock } = ports;
  return [
    operation({
      method: 'get',
      path: '/studies',
      tag: 'studies',
      summary: 'Studies, newest first',
      roles: READERS,
      query: shapes.pageQuery.extend({ state: shapes.studyState.optional() }),
      answer: shapes.listOf(shapes.study),
      handle: async ({ query }) => {
        const { state, ...page } = query;
        const rows = await ledger.studies.list({ ...pageOf(page), ...(state === undefined ? {} : { state }) });
        return listPage(rows, page.limit, ({ studyInstanceUid }) => studyInstanceUid);
      },
    }),
    operation({
      method: 'get',
      path: '/studies/{studyInstanceUid}',
      tag: 'studies',
      summary: 'One study with its series, runs, deliveries and everything that happened to it in order',
      roles: READERS,
      params: shapes.studyParams,
      answer: shapes.study.extend({
        ...shapes.waiting.shape,
        series: z.array(shapes.series),
        runs: z.array(shapes.run),
        deliveries: z.array(shapes.delivery),
        timeline: z.array(shapes.timelineEntry),
      }),
      handle: async ({ params }) => {
        const uid = parseStudyInstanceUid(params.studyInstanceUid);
        const study = await ledger.studies.get(uid);
        if (study === undefined) throw new HubError('resource.not-found');
        const [waiting, series, runs, deliveries, timeline] = await Promise.all([
          study.state === 'receiving' && !study.held ? ports.waiting?.(uid) : undefined,
          ledger.studies.series(uid),
          ledger.runs.ofStudy(uid),
          ledger.deliveries.list({ study: uid, limit: MAX_DELIVERIES }),
          ledger.studies.timeline(uid),
        ]);
        return {
          ...study,
          ...(waiting === undefined ? {} : showWaiting(waiting)),
          series: series.map(showSeries),
          runs: runs.map(showRun),
          deliveries: [...deliveries],
          timeline: timeline.map(({ at, what, fields }) => ({ at, what, fields: { ...fields } })),
        };
      },
    }),
    operation({
      method: 'post',
      path: '/studies/{studyInstanceUid}/complete',
      tag: 'studies',
      summary: 'Does not wait for the quiet period any longer: opens the next revision now',
      roles: OPERATORS,
      params: shapes.studyParams,
      answer: z.object({ completed: z.boolean().describe('False: nothing had arrived since the last revision.') }),
      audit: 'study.complete',
      handle: async ({ params }) => {
        const studyInstanceUid = parseStudyInstanceUid(params.studyInstanceUid);
        if ((await ledger.studies.get(studyInstanceUid)) === undefined) throw new HubError('resource.not-found');
        return {
          completed: await ledger.studies.complete(
            { studyInstanceUid, signal: 'manual', configVersion: ports.catalogue().configVersion },
            clock.now(),
          ),
        };
      },
    }),
    operation({
      method: 'post',
      path: '/studies/{studyInstanceUid}/replay',
      tag: 'studies',
      summary:
        'Does the newest revision again: by the routes that took it, or from a stage (received: the routes of now decide; processed: what was made goes out again), to one destination where it is named',
      roles: OPERATORS,
      params: shapes.studyParams,
      body: z.strictObject({
        to: z.string().min(1).max(64).optional().describe('A destination; only an admin names one.'),
        fromStage: z.enum(REPLAY_STAGES).optional(),
      }),
      status: 202,
      answer: z.object({
        stage: z.enum(REPLAY_STAGES),
        runIds: z.array(z.string()).describe('Of the new runs.'),
        deliveryIds: z.array(z.string()).describe('What goes out again.'),
        isRouted: z.boolean().describe('True: the routes of now decide anew; their runs are not known yet.'),
      }),
      audit: 'study.replay',
      handle: async ({ params, body, identity }) => {
        if (body.to !== undefined && identity.role !== 'admin') {
          throw new HubError('request.forbidden', { detail: 'only an admin sends a study where its route does not' });
        }
        const uid = parseStudyInstanceUid(params.studyInstanceUid);
        const outcome = await replayStudy(ledger, ports.catalogue(), uid, body);
        return { ...outcome, runIds: [...outcome.runIds], deliveryIds: [...outcome.deliveryIds] };
      },
    }),
    operation({
      method: 'get',
      path: '/runs/{runId}',
      tag: 'runs',
      summary: "One route's work on one revision of a study",
      roles: READERS,
      params: shapes.runParams,
      answer: shapes.run,
      handle: async ({ params }) => {
        const run = await ledger.runs.get(params.runId);
        if (run === undefined) throw new HubError('resource.not-found');
        return showRun(run);
      },
    }),
    operation({
      method: 'post',
      path: '/runs/{runId}/replay',
      tag: 'runs',
      summary: 'A new run of the same study revision and route from its first step',
      roles: OPERATORS,
      params: shapes.runParams,
      status: 202,
      answer: z.object({ runId: z.string().describe('Of the new run.') }),
      audit: 'run.replay',
      handle: async ({ params }) => ({ runId: await ledger.runs.replay(params.runId) }),
    }),
  ];
}

/** A study has a delivery for each destination of each run; more than so many are on the list of deliveries. */
const MAX_DELIVERIES = 200;

function showSeries({
  seriesInstanceUid,
  instances,
  provenance,
  attributes,
}: SeriesRow): z.input<typeof shapes.series> {
  const [modality] = attributes['Modality'] ?? [];
  return {
    seriesInstanceUid,
    instances,
    ...(modality === undefined ? {} : { modality }),
    door: provenance.door,
    source: provenance.source,
  };
}

function showRun({ steps, itemCount, destinations, ...run }: RunSummary): z.input<typeof shapes.run> {
  return {
    ...run,
    processors: steps.map(({ processor }) => processor),
    destinations: [...destinations],
    items: itemCount,
  };
}
