/** The API of the hub on this machine, for commands: of the running one through its own socket, else of its ledger, opened for the moment. */
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApiRouter } from '../api/router.ts';
import { createPartnerDirectory } from '../connectors/partner-api/directory.ts';
import { ERRORS, type ErrorCode, HubError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import { createAccess } from '../platform/auth/access.ts';
import { createToken } from '../platform/auth/token.ts';
import { openDataFolder, openSecret, requireLedger } from '../platform/data-folder.ts';
import { isSocketAnswered, ownSocketPath } from '../platform/http/own-socket.ts';
import { createHttpServer } from '../platform/http/server.ts';
import { openLedger } from '../platform/ledger/open.ts';
import { createLogger } from '../platform/logger.ts';
import { processEnvironment } from '../config/environment.ts';
import { CROSSWALK_PURPOSE } from '../processors/crosswalk/codec.ts';
import { reidentifier } from '../processors/reidentify/reidentifier.ts';
import { destinationHolds } from '../wiring/destination-holds.ts';
import { ledgerPlace } from '../wiring/ledger-place.ts';
import { pullsShown } from '../wiring/pull-options.ts';
import { type Config, configShapes } from '../wiring/shapes.ts';
import { requireConfig } from './configuration.ts';
import { requireKeptLedger } from './kept-ledger.ts';

export interface HubApi {
  /** @param path - below /api/v1. @throws {HubError} what the API answered with */
  call(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  close(): Promise<void>;
}

const clock: Clock = { now: () => new Date() };
const TIMEOUT_MS = 60_000;

/**
 * Asks the hub of a configuration, and lets go of it afterwards.
 *
 * @param given - the command's `--config` and `--data`
 * @param isNewHubFine - whether a data folder may be made; a command that only asks must not leave one behind
 * @param token - whose role it is asked in; without one that of whoever owns the data folder
 * @throws {HubError} `resource.not-found` when no hub has ever run there, `ledger.locked` when one runs but does not answer
 */
export async function withHubApi<Result>(
  given: { readonly config?: string | undefined; readonly data?: string | undefined },
  isNewHubFine: boolean,
  work: (api: HubApi) => Promise<Result>,
  token?: string,
): Promise<Result> {
  const api = await openNamed(given, isNewHubFine, token);
  try {
    return await work(api);
  } finally {
    await api.close();
  }
}

/** A file with mistakes is no reason not to speak with the hub that runs on the data folder named: it may be what is to be mended. */
async function openNamed(
  given: { readonly config?: string | undefined; readonly data?: string | undefined },
  isNewHubFine: boolean,
  token: string | undefined,
): Promise<HubApi> {
  let config: Config;
  try {
    config = requireConfig(given, configShapes());
  } catch (error) {
    const running = given.data === undefined ? undefined : ownSocketPath(given.data);
    if (running === undefined || !(await isSocketAnswered(running))) throw error;
    return throughSocket(running, token);
  }
  return openHubApi(config, isNewHubFine, token);
}

function throughSocket(socketPath: string, token: string | undefined): HubApi {
  return {
    call: (method, path, body) => call(socketPath, method, path, body, token),
    close: () => Promise.resolve(),
  };
}

async function openHubApi(config: Config, isNewHubFine: boolean, token: string | undefined): Promise<HubApi> {
  const running = ownSocketPath(config.hub.data);
  if (await isSocketAnswered(running)) {
    return throughSocket(running, token);
  }
  return await openOffline(config, isNewHubFine, token);
}

async function openOffline(config: Config, isNewHubFine: boolean, token: string | undefined): Promise<HubApi> {
  const place = ledgerPlace(config, processEnvironment());
  if (!isNewHubFine) await requireKeptLedger(config, place);
  const dataFolder = await openDataFolder(config.hub.data, {});
  if (place.kind === 'sqlite') await requireLedger(dataFolder);
  const { ledgerFile } = dataFolder;
  const log = createLogger({ level: 'error', format: 'pretty' });
  const opened = await openLedger({ place, file: ledgerFile, log, clock, onFailure: () => undefined }).catch(
    (error: unknown) => {
      if (!(error instanceof HubError) || error.code !== 'ledger.locked') throw error;
      const detail = `a hub runs on ${config.hub.data} and does not answer on its socket: it is starting or stopping, or belongs to another user`;
      throw new HubError('ledger.locked', { detail }, error);
    },
  );
  const { ledger } = opened;
  if (!opened.isUp()) {
    await ledger.close();
    throw new HubError('ledger.unreachable');
  }
  // A folder of our own: nobody else on the machine can reach the socket in it.
  const folder = await mkdtemp(join(tmpdir(), 'hub-cli-'));
  const socketPath = join(folder, 'hub.sock');
  const { version, routes, partners, destinations, policies } = config;
  const pulls = pullsShown(config);
  const catalogue = { configVersion: version, routes, partners, destinations, policies, pulls };
  const server = createHttpServer({
    ownSocketPath: socketPath,
    routers: [
      {
        path: '/api/v1',
        router: createApiRouter({
          ledger,
          access: createAccess({ ledger, clock }),
          clock,
          log,
          hubName: config.hub.name,
          catalogue: () => catalogue,
          mintToken: createToken,
          holds: destinationHolds(
            () => config,
            createPartnerDirectory(ledger, () => partners),
            ledger,
            clock,
          ),
          reidentify: async (uid, recipients) => {
            const secret = await openSecret(CROSSWALK_PURPOSE, config.hub.data, processEnvironment());
            return await reidentifier(secret, ledger.crosswalk)(uid, recipients);
          },
        }),
      },
    ],
    checks: [],
    renderMetrics: () => Promise.resolve({ contentType: 'text/plain', body: '' }),
    log,
  });
  const close = async () => {
    await server.stop(0);
    await opened.search.close();
    await ledger.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await server.start();
  } catch (error) {
    await close();
    throw error;
  }
  return { call: (method, path, body) => call(socketPath, method, path, body, token), close };
}

/** What a running hub answers on its own socket to a GET of any path, problems included; undefined when none answers there. */
export async function askRunningHub(
  config: { readonly hub: { readonly data: string } },
  path: string,
): Promise<{ readonly status: number; readonly answer: unknown } | undefined> {
  const socketPath = ownSocketPath(config.hub.data);
  return (await isSocketAnswered(socketPath)) ? await ask(socketPath, 'GET', path) : undefined;
}

async function call(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
  token: string | undefined,
): Promise<unknown> {
  const { status, answer } = await ask(socketPath, method, `/api/v1${path}`, body, token);
  if (status >= 200 && status < 300) return answer;
  const problem = problemOf(answer);
  throw optionMistake(problem) ?? problem;
}

/** What stands in a query was an option of the command. */
function optionMistake({ code, fields }: HubError): HubError | undefined {
  const { detail } = fields;
  if (code !== 'request.invalid' || typeof detail !== 'string' || !detail.startsWith('query.')) return undefined;
  return new HubError('command.usage', { detail: detail.replaceAll(/(^|; )query\.(?=\w)/g, '$1--') });
}

async function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  token?: string,
): Promise<{ readonly status: number; readonly answer: unknown }> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return await new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath,
        method,
        path,
        timeout: TIMEOUT_MS,
        agent: false,
        headers: {
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...(text === undefined
            ? {}
            : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          try {
            resolve({ status: response.statusCode ?? 0, answer: JSON.parse(Buffer.concat(parts).toString('utf8')) });
          } catch (error) {
            reject(new HubError('internal.unexpected', { detail: 'the hub answered something else than JSON' }, error));
          }
        });
      },
    );
    sent.on('timeout', () =>
      sent.destroy(new HubError('partner.timeout', { detail: 'the hub does not answer on its socket' })),
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

/** A problem of the API (RFC 9457) as the error it was. */
function problemOf(answer: unknown): HubError {
  const problem = typeof answer === 'object' && answer !== null ? (answer as Readonly<Record<string, unknown>>) : {};
  const code = String(problem['type']).replace('urn:hub:error:', '');
  const detail = typeof problem['detail'] === 'string' ? { detail: problem['detail'] } : {};
  return new HubError(isErrorCode(code) ? code : 'internal.unexpected', detail);
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
