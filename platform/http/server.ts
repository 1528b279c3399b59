/** The one HTTP port of the hub: what every door has in common, and the routers of the stages behind it. */
import { createServer, type RequestListener, type Server } from 'node:http';
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { HubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import { markOwnSocket } from '../auth/access.ts';
import { healthRouter, type ReadinessCheck } from './health.ts';
import { metricsApp, type MetricsDoor, mountMetrics, type RenderMetrics } from './metrics-door.ts';
import { listenOnOwnSocket } from './own-socket.ts';
import { problemHandler } from './problem.ts';
import { requestIds } from './request-id.ts';
import { schemaRouter } from './schemas.ts';
import { type BodyProgress, DEFAULT_PROGRESS, slowBodyGuard } from './slow-bodies.ts';

const HEADERS_TIMEOUT_MS = 30_000;
/** No byte in either direction for so long ends a connection; a feed's heartbeat is well inside. */
const IDLE_TIMEOUT_MS = 120_000;
const IDLE_SWEEP_MS = 50;

export interface HttpServerOptions {
  /** Absent: only the own socket, for a command on a hub that is not running. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** As `ownSocketPath` names it. */
  readonly ownSocketPath?: string;
  readonly routers: readonly { readonly path: string; readonly router: RequestHandler }[];
  readonly checks: readonly ReadinessCheck[];
  /** For the liveness probe. */
  readonly alive?: readonly ReadinessCheck[];
  readonly renderMetrics: RenderMetrics;
  /** Absent: on the same port, shown to whoever asks. */
  readonly metricsDoor?: MetricsDoor;
  /** How fast a body has to come. */
  readonly bodyProgress?: BodyProgress;
  readonly log: Logger;
}

export interface HttpServer {
  /** Resolves when the doors are open, with the port that was given when 0 was asked for. */
  start(): Promise<{ readonly port: number | undefined; readonly metricsPort?: number }>;
  /** Closes the doors, lets requests under way end within `graceMs`, then cuts them. Harmless twice. */
  stop(graceMs: number): Promise<void>;
}

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const answer = withReadableTarget(createApp(options));
  const onNetwork = options.listen === undefined ? undefined : createServer(SERVER_OPTIONS, answer);
  const onOwnSocket =
    options.ownSocketPath === undefined
      ? undefined
      : createServer(SERVER_OPTIONS, (request, response) => {
          markOwnSocket(request);
          answer(request, response);
        });
  const { renderMetrics, metricsDoor = {}, log } = options;
  const ofMetrics =
    metricsDoor.listen === undefined
      ? undefined
      : createServer(SERVER_OPTIONS, withReadableTarget(metricsApp(renderMetrics, metricsDoor, log)));
  const servers = [onNetwork, onOwnSocket, ofMetrics].filter((server) => server !== undefined);
  for (const server of servers) {
    // A STOW-RS upload may rightly take hours; what does not move is cut by the idle time-out, what creeps by the guard.
    server.requestTimeout = 0;
    server.setTimeout(IDLE_TIMEOUT_MS);
    server.on('request', slowBodyGuard(options.bodyProgress ?? DEFAULT_PROGRESS));
  }

  return {
    start: async () => {
      if (onOwnSocket !== undefined && options.ownSocketPath !== undefined) {
        await listenOnOwnSocket(onOwnSocket, options.ownSocketPath);
      }
      if (onNetwork === undefined || options.listen === undefined) return { port: undefined };
      try {
        const port = await listen(onNetwork, options.listen);
        if (ofMetrics === undefined || metricsDoor.listen === undefined) return { port };
        return { port, metricsPort: await listen(ofMetrics, metricsDoor.listen) };
      } catch (error) {
        // Those that are open: nobody is told of them any more.
        for (const server of servers) server.close();
        throw error;
      }
    },
    stop: async (graceMs) => {
      await Promise.all(servers.map((server) => close(server, graceMs)));
    },
  };
}

/** A target that is no URL reaches none of Express's handlers: it would answer for itself, with a page for people. */
function withReadableTarget(app: Express): RequestListener {
  return (request, response) => {
    if (!URL.canParse(request.url ?? '', 'http://hub')) request.url = NOWHERE;
    app(request, response);
  };
}

const NOWHERE = '/not-a-url';
const SERVER_OPTIONS = { headersTimeout: HEADERS_TIMEOUT_MS, keepAlive: true } as const;

function createApp(options: HttpServerOptions): Express {
  const app = express();
  // PS3.18 QIDO-RS uses plain names; nested query syntax would only be a way in for surprises.
  app.set('query parser', 'simple');
  app.set('etag', false);
  app.use(requestIds, helmet(HELMET_OPTIONS));
  app.use('/health', healthRouter(options.checks, options.log, options.alive));
  mountMetrics(app, options.renderMetrics, options.metricsDoor ?? {});
  app.use('/schemas', schemaRouter());
  for (const { path, router } of options.routers) app.use(path, router);
  app.use(() => {
    throw new HubError('resource.not-found');
  });
  app.use(problemHandler(options.log));
  return app;
}

const HELMET_OPTIONS: Parameters<typeof helmet>[0] = {
  // The hub itself speaks plain HTTP; TLS, and with it this promise, belongs to what stands before it.
  strictTransportSecurity: false,
  contentSecurityPolicy: {
    useDefaults: true,
    directives: {
      // The console's volume viewer compiles WebAssembly and runs workers from blobs.
      scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
      workerSrc: ["'self'", 'blob:'],
      imgSrc: ["'self'", 'data:', 'blob:'],
      connectSrc: ["'self'", 'blob:'],
      upgradeInsecureRequests: null,
    },
  },
};

async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> {
  await new Promise<void>((listening, failed) => {
    const refuse = (error: NodeJS.ErrnoException) =>
      failed(
        new HubError(
          'config.invalid',
          {
            detail: `HTTP cannot listen on ${host}:${port}: ${error.code === 'EADDRINUSE' ? 'another program holds the port' : (error.code ?? '')}`,
          },
          error,
        ),
      );
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      listening();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

async function close(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  // A connection kept alive falls idle when its last request ends, and would hold the server open for seconds more.
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
  await new Promise<void>((closed) => {
    server.close(() => closed());
  });
  clearInterval(sweep);
  clearTimeout(cut);
}
