import type { RequestHandler } from 'express';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../../core/ledger.ts';
import type { Role } from '../../core/ledger/tokens.ts';
import type { PartnerScope } from '../../core/partners.ts';
import type { Clock } from '../../core/ports.ts';
import { type Access, createAccess } from '../../platform/auth/access.ts';
import { createToken } from '../../platform/auth/token.ts';
import { createHttpServer, type HttpServer, type HttpServerOptions } from '../../platform/http/server.ts';
import { silentLog } from './silent-log.ts';

export interface RunningHttp {
  readonly url: string;
  /** Where metrics have a port of their own. */
  readonly metricsPort: number | undefined;
  readonly socketPath: string;
  readonly access: Access;
  readonly server: HttpServer;
  /** A new token's `Authorization` header. */
  readonly as: (
    role: Role,
    partner?: string,
    more?: { readonly scopes?: readonly PartnerScope[]; readonly expiresAt?: string },
  ) => Promise<{ readonly Authorization: string }>;
  readonly stop: () => Promise<void>;
}

/** The hub's HTTP server on a free port with the routers a test is about. */
export async function startHttp(
  ledger: Pick<Ledger, 'tokens'>,
  routersOf: (access: Access) => readonly { readonly path: string; readonly router: RequestHandler }[],
  options: Partial<HttpServerOptions> & { readonly clock?: Clock } = {},
): Promise<RunningHttp> {
  const clock: Clock = options.clock ?? { now: () => new Date() };
  const access = createAccess({ ledger, clock });
  const folder = await mkdtemp(join(tmpdir(), 'hub-http-'));
  const socketPath = join(folder, 'hub.sock');
  const server = createHttpServer({
    listen: { host: '127.0.0.1', port: 0 },
    ownSocketPath: socketPath,
    routers: routersOf(access),
    checks: [],
    renderMetrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', body: 'hub_up 1\n' }),
    log: silentLog,
    ...options,
  });
  const { port, metricsPort } = await server.start();
  return {
    url: `http://127.0.0.1:${String(port)}`,
    metricsPort,
    socketPath,
    access,
    server,
    as: async (role, partner, more = {}) => {
      const { tokenId, token, secretSha256 } = createToken();
      await ledger.tokens.create({
        tokenId,
        secretSha256,
        role,
        createdAt: clock.now().toISOString(),
        ...(partner === undefined ? {} : { partner }),
        ...more,
      });
      return { Authorization: `Bearer ${token}` };
    },
    stop: async () => {
      await server.stop(0);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
