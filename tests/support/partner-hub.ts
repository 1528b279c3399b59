/** What a partner meets of a hub, without the rest: ledger, projection, the partner API, WADO-RS, and webhooks being sent. */
import { randomBytes, randomUUID } from 'node:crypto';
import { Router } from 'express';
import { startFeedProjector } from '../../connectors/feed/projector.ts';
import { createPartnerDirectory, type PartnerDirectory } from '../../connectors/partner-api/directory.ts';
import { createPartnerApi } from '../../connectors/partner-api/router.ts';
import { type SenderOptions, startWebhookSender, type WebhookSender } from '../../connectors/webhook/sender.ts';
import { parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Ledger } from '../../core/ledger.ts';
import { DEFAULT_QUOTAS, PARTNER_SCOPES, type PartnerScope, type PartnerSettings } from '../../core/partners.ts';
import type { Clock, EventBus } from '../../core/ports.ts';
import type { InstanceItem } from '../../core/store.ts';
import { wadoRouter } from '../../gateway/dicomweb/wado.ts';
import { PixelWorkers } from '../../pixels/workers.ts';
import { createToken } from '../../platform/auth/token.ts';
import { openEmbeddedBus } from '../../platform/bus/embedded.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { inbox, newRun, received, record } from '../contracts/ledger-facts.ts';
import { openTestLedger } from './open-ledger.ts';
import { MemoryStore, mrImage } from './outgoing.ts';
import { type RunningHttp, startHttp } from './running-http.ts';
import { silentLog } from './silent-log.ts';
import { waitFor } from './wait-for.ts';
import { watchedLedger } from './watched-ledger.ts';

const PIXEL_WORKER = new URL('../../wiring/pixel-worker.ts', import.meta.url);

export function partnerSettings(name: string, changes: Partial<PartnerSettings> = {}): PartnerSettings {
  return {
    name,
    entitlements: {},
    quotas: { ...DEFAULT_QUOTAS, requestsPerSecond: 10_000 },
    webhookHosts: [],
    ...changes,
  };
}

export interface ReleasedStudy {
  /** As released. */
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly original: string;
  readonly runId: string;
}

export type Auth = { readonly Authorization: string };

export interface PartnerHub {
  readonly ledger: Ledger;
  readonly bus: EventBus;
  readonly http: RunningHttp;
  readonly store: MemoryStore;
  readonly directory: PartnerDirectory;
  /** What the partner API has asked the ledger, with the answers; may be emptied. */
  readonly asked: { readonly what: string; readonly answer: unknown }[];
  /** May be changed: asked each time. */
  settings: readonly PartnerSettings[];
  /** A new token's header. */
  as(partner: string, scopes?: readonly PartnerScope[], expiresAt?: string): Promise<Auth>;
  /** One instance of a new study is processed and released; resolves when it stands in the feed and can be retrieved. */
  release(
    partner: string,
    changes?: { readonly route?: string; readonly isWithheld?: boolean },
  ): Promise<ReleasedStudy>;
  /** A JSON request to `/partner/v1`. */
  call(
    auth: Auth | Readonly<Record<string, string>>,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly json: Readonly<Record<string, unknown>> }>;
  startSender(options?: Partial<SenderOptions>): WebhookSender;
  stop(): Promise<void>;
}

export async function startPartnerHub(
  settings: readonly PartnerSettings[],
  options: { readonly clock?: Clock; readonly heartbeatMs?: number } = {},
): Promise<PartnerHub> {
  const clock = options.clock ?? { now: () => new Date() };
  const { ledger, remove } = await openTestLedger(clock);
  const bus = openEmbeddedBus({ ledger, log: silentLog });
  const store = new MemoryStore();
  const asked: { readonly what: string; readonly answer: unknown }[] = [];
  const watched = watchedLedger(ledger, (what, answer) => asked.push({ what, answer }));
  const workers = new PixelWorkers({ entry: PIXEL_WORKER });
  const webhooksKey = randomBytes(32);
  const directory = createPartnerDirectory(ledger, () => hub.settings);
  const senders: WebhookSender[] = [];
  let api: ReturnType<typeof createPartnerApi> | undefined;
  let studies = 0;
  const http = await startHttp(
    ledger,
    (access) => {
      api = createPartnerApi(
        {
          ...{ ledger: watched, access, directory, clock, log: silentLog, mintToken: createToken },
          wado: (instancesOf) => wadoRouter({ instancesOf, store, workers, log: silentLog }),
          // Only the door is of interest here: who comes in, and as whom.
          returns: (partnerOf) =>
            Router().post(['/studies', '/studies/:study'], async (request, response) => {
              response.json({ returnedBy: await partnerOf(request) });
            }),
        },
        {
          hubName: 'savilahti',
          cursorKey: randomBytes(32),
          webhooksKey,
          ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
        },
      );
      return [{ path: '/partner/v1', router: api.router }];
    },
    { clock },
  );

  const hub: PartnerHub = {
    ...{ ledger, bus, http, store, directory, settings, asked },
    as: (partner, scopes = PARTNER_SCOPES, expiresAt) =>
      http.as('partner', partner, { scopes, ...(expiresAt === undefined ? {} : { expiresAt }) }),
    release: async (partner, changes = {}) => {
      studies += 1;
      const original = parseStudyInstanceUid(`1.2.826.9.${String(studies)}`);
      const studyInstanceUid = `2.25.${String(900_000 + studies)}`;
      const [seriesInstanceUid, sopInstanceUid] = [`${studyInstanceUid}.1`, `${studyInstanceUid}.1.1`];
      await record(
        ledger,
        received(1, {
          studyInstanceUid: original,
          seriesInstanceUid: parseSeriesInstanceUid(`${original}.1`),
          sopInstanceUid: parseSopInstanceUid(`${original}.1.1`),
        }),
      );
      await ledger.studies.complete({ studyInstanceUid: original, signal: 'manual' }, clock.now());
      const run = newRun({
        studyInstanceUid: original,
        route: changes.route ?? 'rat-brain',
        steps: [{ processor: 'deidentify', argument: partner }],
        destinations: [`${partner}-pacs`],
      });
      await ledger.runs.open(inbox('router'), original, [run], []);
      await ledger.runs.start(inbox('runner'), run.runId);
      const [job] = await ledger.runs.claim('worker-1', 30_000, clock.now(), 1);
      if (job === undefined) throw new Error('nothing to claim');
      const bytes = mrImage(studies, {
        StudyInstanceUID: studyInstanceUid,
        SeriesInstanceUID: seriesInstanceUid,
        SOPInstanceUID: sopInstanceUid,
      });
      const item: InstanceItem = { ...(await store.instance(bytes)), releasedFor: partner, derivedBy: 'deidentify' };
      await ledger.runs.finishStep(job.jobId, job.fence, {
        items: [item],
        events: [
          {
            type: 'study.processed',
            stream: 'hub.result.v1',
            key: original,
            correlationId: `association-${randomUUID()}`,
            data: {
              ...{ studyInstanceUid: original, revision: 1, runId: run.runId, route: run.route, partner },
              ...{ releasedStudyInstanceUid: studyInstanceUid, instances: 1, artefacts: 0 },
              destinations: [`${partner}-pacs`],
            },
          },
        ],
      });
      const released = { studyInstanceUid, seriesInstanceUid, sopInstanceUid, original, runId: run.runId };
      await waitFor(
        'the release',
        async () => (await ledger.partners.releasesOf(partner, studyInstanceUid)).length > 0,
      );
      return released;
    },
    call: async (auth, method, path, body) => {
      const response = await fetch(`${http.url}/partner/v1${path}`, {
        method,
        headers: { ...auth, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const json = (text.startsWith('{') ? JSON.parse(text) : { text }) as Readonly<Record<string, unknown>>;
      return { status: response.status, headers: response.headers, json };
    },
    startSender: (more = {}) => {
      const sender = startWebhookSender(
        { ledger, directory, clock, log: silentLog, metrics: createMetrics(), random: () => 0 },
        { hubName: 'savilahti', key: webhooksKey, ...more },
      );
      senders.push(sender);
      return sender;
    },
    stop: async () => {
      api?.stop();
      await http.stop();
      await Promise.all(senders.map((sender) => sender.stop(0)));
      await bus.stop();
      await workers.close();
      await remove();
    },
  };
  const names = settings.map(({ name }) => ({ name: `${name}-pacs`, partner: name }));
  await startFeedProjector({ bus, ledger, directory, clock, log: silentLog }, () => [
    ...names,
    { name: 'own-archive' },
  ]);
  return hub;
}
