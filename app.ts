/**
 * The composition root: the only file that builds the hub of a process. On this thread it opens the doors; routing,
 * processing and delivery run in `wiring/backstage.ts`, which starts first, so that nothing received meets a stage that is not
 * there, and stops last.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Catalogue as ApiCatalogue } from './api/ports.ts';
import { reportKeyRouter } from './api/report-key.ts';
import { createApiRouter } from './api/router.ts';
import type { BackstageOrder } from './wiring/backstage.ts';
import type { Environment } from './config/environment.ts';
import { type ConfigurationSource, LiveConfiguration } from './wiring/live-configuration.ts';
import { createPartnerDirectory } from './connectors/partner-api/directory.ts';
import { createPartnerApi } from './connectors/partner-api/router.ts';
import { WEBHOOKS_PURPOSE } from './connectors/webhook/key-box.ts';
import { Moves } from './connectors/pull/moves.ts';
import { startPulls } from './connectors/pull/pulls.ts';
import { HubError, toHubError } from './core/errors.ts';
import type { Ledger } from './core/ledger.ts';
import type { Clock, Logger, Metrics } from './core/ports.ts';
import type { ObjectStore } from './core/store.ts';
import { otherDicomWebMethods } from './gateway/dicomweb/other-methods.ts';
import { qidoRouter } from './gateway/dicomweb/qido.ts';
import { receivedInstances } from './gateway/dicomweb/wado-source.ts';
import { wadoRouter } from './gateway/dicomweb/wado.ts';
import { openGateway } from './gateway/gateway.ts';
import { destinationHolds } from './wiring/destination-holds.ts';
import { gatewayOptions, metricsDoor, returnedOptions } from './wiring/gateway-options.ts';
import { openHubStore, removeAbandoned, removeResults, requireOwnStore } from './wiring/hub-store.ts';
import { ledgerPlace } from './wiring/ledger-place.ts';
import { createAccess, ensureFirstToken } from './platform/auth/access.ts';
import { createToken } from './platform/auth/token.ts';
import { countSegments, type DataFolder, openDataFolder, requireLedger } from './platform/data-folder.ts';
import { paravisionStudies } from './paravision/study-folder.ts';
import { PixelWorkers } from './pixels/workers.ts';
import { pullOptions, pullsShown } from './wiring/pull-options.ts';
import { allowOrigins } from './platform/http/cors.ts';
import { ownSocketPath } from './platform/http/own-socket.ts';
import { createHttpServer } from './platform/http/server.ts';
import { ledgerMetrics } from './platform/ledger/metrics.ts';
import { openLedger, type OpenedLedger } from './platform/ledger/open.ts';
import { createMetrics, stageMetrics } from './platform/metrics.ts';
import { storeMetrics } from './platform/store/metrics.ts';
import { watchStore } from './platform/store/watch.ts';
import { giveBackMemory } from './platform/threads/give-back.ts';
import { threadsEnded } from './platform/threads/metrics.ts';
import { StageThread } from './platform/threads/stage-thread.ts';
import { CROSSWALK_PURPOSE } from './processors/crosswalk/codec.ts';
import { reidentifier } from './processors/reidentify/reidentifier.ts';
import { trendPage } from './processors/report/trends.ts';
import { createReportSigner, SIGNING_PURPOSE } from './processors/deidentify/signature.ts';
import { configurationControl, preparing, type ReloadedParts } from './wiring/reloading.ts';
import { FEED_PURPOSE, identityOf, requireSameKeys } from './wiring/replica-keys.ts';
import { type Config, type Stage, STAGES } from './wiring/shapes.ts';

export interface HubOptions {
  readonly config: Config;
  readonly env: Environment;
  readonly log: Logger;
  readonly stages: ReadonlySet<Stage>;
  /** Where `config` came from and may come from anew; absent: it stays as it is, and nobody may ask for its versions. */
  readonly source?: ConfigurationSource;
  /** Purposes whose key may be another one than before: the one before is gone for good. */
  readonly acceptedKeys?: ReadonlySet<string>;
  /** The ledger could not be asked at the start whether this is the first one, and it was: to be shown once. */
  readonly onFirstToken?: (token: string) => void;
  /** The process must end: nothing can be made durable any more. */
  readonly onFailure: (error: HubError) => void;
}

export interface Hub {
  readonly dataFolder: DataFolder;
  readonly ledger: Ledger;
  readonly store: ObjectStore;
  readonly dimsePort: number | undefined;
  /** Where TLS has a port of its own, or `dimsePort` where nothing is plain; undefined without TLS. */
  readonly dimseTlsPort: number | undefined;
  readonly httpPort: number | undefined;
  /** Where metrics have a port of their own. */
  readonly metricsPort: number | undefined;
  /** Of the first start: to be shown once. */
  readonly firstToken: string | undefined;
  /** The configuration in force, and how to change it; undefined without a source. */
  readonly live: LiveConfiguration | undefined;
  /** Doors first, then what is under way, then the ledger. Harmless twice. */
  stop(): Promise<void>;
}

const MEET_AGAIN_MS = 1_000;
const BACKSTAGE = new URL('./wiring/backstage.ts', import.meta.url);
const PIXEL_WORKER = new URL('./wiring/pixel-worker.ts', import.meta.url);
const DIGEST_WORKER = new URL('./wiring/digest-worker.ts', import.meta.url);
const machineClock: Clock = { now: () => new Date() };

/** @throws {HubError} `config.invalid`, `ledger.locked`, `store.failed` … */
export async function startHub(options: HubOptions): Promise<Hub> {
  const { config, env, log, stages } = options;
  const { stopGraceMs, stopDelayMs } = config.hub;
  const dataFolder = await openDataFolder(config.hub.data, env);
  const place = ledgerPlace(config, env);
  if (place.kind === 'sqlite') await requireLedger(dataFolder);
  const opened = await openLedger({
    ...{ place, file: dataFolder.ledgerFile, log, clock: machineClock, onFailure: options.onFailure },
    isSpoolEmpty: (await countSegments(dataFolder)) === 0,
    mayBeDenied: true,
  });
  const { ledger, clock } = opened;
  /** Undone from the last to the first, whether the hub stops or its start fails halfway. */
  const undo: (() => Promise<void>)[] = [() => ledger.close()];
  const stopping = new AbortController();
  const undoAll = async (): Promise<void> => {
    stopping.abort(new HubError('gateway.stopping'));
    for (const step of undo.splice(0).reverse()) await step();
  };
  /** Who balances the load sees it first; the doors close when nobody new is sent here any more. */
  const stop = async (): Promise<void> => {
    if (!stopping.signal.aborted) {
      stopping.abort(new HubError('gateway.stopping'));
      await delay(stopDelayMs);
    }
    await undoAll();
  };
  try {
    const claimant = { ledgerId: once(() => ledger.keys.identity()), node: config.hub.node };
    const stored = await openHubStore(config.store, env, dataFolder.path, { claimant });
    undo.push(() => stored.close());
    if (opened.isUp()) await requireOwnStore(stored);
    const store = stored.objects;
    // A ledger that is unreachable is asked at the next start: packs that nothing refers to harm nobody.
    const orphans = opened.isUp() ? await removeAbandoned(stored, ledger) : 0;
    if (orphans > 0) log.info('packs of abandoned attempts removed', { packs: orphans });
    const metrics = createMetrics();
    stageMetrics(metrics, stages);
    const access = createAccess({ ledger, clock });
    const identity = await identityOf(dataFolder);
    const crosswalkSecret = await dataFolder.secret(CROSSWALK_PURPOSE);
    const parts: ReloadedParts = { moves: movesOf(config, env, place.kind) };
    const current = (): Config => live?.current ?? config;
    const gatewayOptionsOf = (each: Config) =>
      gatewayOptions(each, env, dataFolder.path, identity, returnedOptions(each, crosswalkSecret));
    const live =
      options.source === undefined
        ? undefined
        : new LiveConfiguration(config, options.source, {
            ...{ ledger, log },
            // A ledger in a file has one hub, whatever its machine is called today.
            node: place.kind === 'postgres' ? config.hub.node : config.hub.name,
            prepare: preparing(parts, env, current, gatewayOptionsOf),
          });
    const meet = async () => {
      await live?.noteStart();
      await requireSameKeys(dataFolder, ledger, stages, { purposes: options.acceptedKeys ?? new Set(), log });
      return ensureFirstToken(ledger, clock, identity);
    };
    let firstToken: string | undefined;
    if (opened.isUp()) firstToken = await meet();
    else void meetLater(opened, meet, options, stopping.signal);
    ledgerMetrics(metrics, opened);
    const watch = stored.uploads === undefined ? undefined : watchStore({ ...stored, log });
    if (watch !== undefined) storeMetrics(metrics, watch);
    // At once, so that a wrong password is in the log of the start; nobody waits for it.
    void watch?.check().catch(() => undefined);
    const directory = createPartnerDirectory(ledger, () => current().partners);
    const { publicKeyPem } = createReportSigner(await dataFolder.secret(SIGNING_PURPOSE));

    const thread = await startBackstage(options, current, { ...dataFolder, identity }, opened, metrics);
    if (thread !== undefined) undo.push(() => thread.stop(stopGraceMs));
    parts.thread = thread;

    const { moves } = parts;
    const gateway = stages.has('gateway')
      ? await openGateway(
          {
            ...{ ledger, log, metrics, clock },
            hasAccess: (partner) => directory.hasAccess(partner, clock.now()),
            moves,
            digestWorker: DIGEST_WORKER,
            studies: paravisionStudies,
            removeResults: () => removeResults(stored, ledger, config.processors),
            ...(stored.uploads === undefined
              ? {}
              : { remote: { objects: store, uploads: stored.uploads, shelf: stored.shelf } }),
          },
          await gatewayOptionsOf(config),
        )
      : undefined;
    if (gateway !== undefined) undo.push(() => gateway.stop(stopGraceMs));
    parts.gateway = gateway;

    const dicomWebAccess = config.gateway.http.anonymousLoopback
      ? access.requireExceptLoopback('admin', 'operator')
      : access.require('admin', 'operator');
    const { search } = opened;
    undo.push(() => search.close());
    const pixelWorkers = new PixelWorkers({ entry: PIXEL_WORKER });
    undo.push(() => pixelWorkers.close());
    const gatewayLog = log.child({ stage: 'gateway' });
    const partnerApi = createPartnerApi(
      {
        ...{ ledger, access, directory, clock, log, mintToken: createToken },
        wado: (instancesOf) => wadoRouter({ instancesOf, store, workers: pixelWorkers, log: gatewayLog }),
        ...(gateway === undefined ? {} : { returns: (partnerOf) => gateway.partnerStowRouter(partnerOf) }),
      },
      {
        hubName: config.hub.name,
        cursorKey: await dataFolder.secret(FEED_PURPOSE),
        webhooksKey: await dataFolder.secret(WEBHOOKS_PURPOSE),
      },
    );
    const http = createHttpServer({
      listen: { host: config.gateway.http.host, port: config.gateway.http.port },
      ownSocketPath: ownSocketPath(dataFolder.path),
      metricsDoor: metricsDoor(config, env),
      routers: [
        ...(gateway === undefined
          ? []
          : [
              { path: '/dicom-web', router: allowOrigins(config.gateway.http.cors) },
              { path: '/dicom-web', router: dicomWebAccess },
              { path: '/dicom-web', router: otherDicomWebMethods() },
              { path: '/dicom-web', router: gateway.stowRouter },
              { path: '/dicom-web', router: qidoRouter({ search, store, log: log.child({ stage: 'gateway' }) }) },
              {
                path: '/dicom-web',
                router: wadoRouter({
                  instancesOf: receivedInstances(ledger),
                  store,
                  workers: pixelWorkers,
                  log: log.child({ stage: 'gateway' }),
                }),
              },
              // Where partners come to: the other stages have no door, and need not have these keys.
              { path: '/partner/v1/report-key', router: reportKeyRouter(access, publicKeyPem) },
              { path: '/partner/v1', router: partnerApi.router },
            ]),
        {
          path: '/api/v1',
          router: createApiRouter({
            ledger,
            doors: gateway,
            access,
            clock,
            log,
            hubName: config.hub.name,
            catalogue: () => apiCatalogue(current()),
            configuration: live === undefined ? undefined : configurationControl(live, env),
            mintToken: createToken,
            onGrant: () => directory.forget(),
            reidentify: reidentifier(crosswalkSecret, ledger.crosswalk),
            holds: destinationHolds(current, directory, ledger, clock),
            waiting: async (study) => gateway?.waiting(study),
            store,
            trendPage,
          }),
        },
      ],
      checks: [
        {
          name: 'stopping',
          check: () => (stopping.signal.aborted ? Promise.reject(new HubError('gateway.stopping')) : Promise.resolve()),
        },
        // Without its database, its brokers or its bucket a hub receives all the same. It says so, and it is ready: taken out
        // of a Service because PostgreSQL is down, no gateway would be left that a scanner can send to.
        {
          name: 'ledger',
          check: () => ledger.events.head().then(() => undefined),
          isAdvisory: place.kind === 'postgres',
        },
        ...(live === undefined ? [] : [{ name: 'configuration', check: () => live.check(), isAdvisory: true }]),
        ...(watch === undefined ? [] : [{ name: 'store', check: () => watch.check(), isAdvisory: true }]),
        ...(gateway === undefined
          ? []
          : [
              { name: 'doors', check: () => gateway.check() },
              { name: 'folders', check: () => gateway.checkFolders(), isAdvisory: true },
              // What is received waits on the disk: senders go on.
              { name: 'shipping', check: () => gateway.checkStore(), isAdvisory: true },
            ]),
        ...(thread === undefined ? [] : [{ name: 'backstage', check: () => thread.check() }]),
        ...(thread === undefined || config.bus.kind === 'embedded'
          ? []
          : [
              { name: 'bus', check: () => thread.checkConditions('degraded'), isAdvisory: true },
              { name: 'consumers', check: () => thread.checkConditions('not-ready') },
            ]),
      ],
      alive: thread === undefined ? [] : [{ name: 'consumers', check: () => thread.checkConditions('dead') }],
      renderMetrics: async () => metrics.render(thread === undefined ? [] : [await thread.values()]),
      log,
    });
    const { port: httpPort, metricsPort } = await http.start();
    undo.push(() => http.stop(stopGraceMs));
    // Before the server: an open stream would keep it waiting for the whole grace.
    undo.push(() => {
      partnerApi.stop();
      return Promise.resolve();
    });
    // The last moment at which nobody waits for this thread.
    giveBackMemory();
    await gateway?.accept();
    if (gateway !== undefined) {
      // Where a gateway is, whatever the stages: what is fetched goes through its spool.
      const { intake } = gateway;
      const running = await startPulls(
        pullOptions(config, env),
        { ledger, intake, moves, clock, log, metrics, random: Math.random },
        identity,
      );
      undo.push(() => running.stop());
      parts.pulls = running;
    }
    const { dimsePort, dimseTlsPort } = gateway ?? {};
    return {
      ...{ dataFolder, ledger, store, live, stop, firstToken },
      ...{ dimsePort, dimseTlsPort, httpPort, metricsPort },
    };
  } catch (error) {
    await undoAll();
    throw error;
  }
}

/** Asks until there is an answer, and keeps it. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

/** What needs the ledger, once it is there: keys that differ end the process, a first token is shown. */
async function meetLater(
  opened: OpenedLedger,
  meet: () => Promise<string | undefined>,
  { log, onFailure, onFirstToken }: HubOptions,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await opened.whenUp(signal);
      const token = await meet();
      if (token !== undefined) onFirstToken?.(token);
      return;
    } catch (error) {
      if (signal.aborted) return;
      const failure = toHubError(error);
      if (failure.code === 'config.invalid') {
        onFailure(failure);
        return;
      }
      log.warn('keys and tokens could not be looked up in the ledger', { code: failure.code });
      await delay(MEET_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Routing, processing and delivery in a thread of their own: none of it may keep a scanner waiting for its answer. */
async function startBackstage(
  { env, log, stages }: HubOptions,
  current: () => Config,
  { path: dataDir, identity }: Pick<DataFolder, 'path'> & { readonly identity: string },
  opened: OpenedLedger,
  metrics: Metrics,
): Promise<StageThread | undefined> {
  const behind = STAGES.filter((stage) => stage !== 'gateway' && stages.has(stage));
  if (behind.length === 0) return undefined;
  const ended = threadsEnded(metrics);
  return StageThread.start({
    name: 'backstage',
    url: BACKSTAGE,
    log,
    onEnded: () => ended.increment({ thread: 'backstage' }),
    tell: () => {
      const ledgerPort = opened.connect();
      const data: BackstageOrder = { config: current(), env, stages: behind, dataDir, identity, ledgerPort };
      return { data, transfer: ledgerPort === undefined ? [] : [ledgerPort] };
    },
  });
}

function movesOf(config: Config, env: Environment, ledger: 'sqlite' | 'postgres'): Moves {
  return new Moves(
    pullOptions(config, env).map(({ name }) => name),
    ledger === 'sqlite',
  );
}

function apiCatalogue(config: Config): ApiCatalogue {
  const { version, routes, partners, destinations, policies } = config;
  return { configVersion: version, routes, partners, destinations, policies, pulls: pullsShown(config) };
}
