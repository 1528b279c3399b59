/** Who may do what over HTTP: bearer tokens of the ledger, the hub's own socket, and doors that loopback may use without. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HubError, toHubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { Role, TokenRow } from '../../core/ledger/tokens.ts';
import { SCOPES_BEFORE_SCOPES } from '../../core/partners.ts';
import type { Clock, Identity } from '../../core/ports.ts';
import { createToken, isSameText, parseToken } from './token.ts';

/** Middleware in the shape that express takes, without its types: it has its home elsewhere. */
export type Guard = (request: IncomingMessage, response: ServerResponse, next: () => void) => Promise<void>;

export interface Access {
  /** Lets the roles named through, and nobody else. */
  require(...roles: readonly Role[]): Guard;
  /** The same, but a caller on this machine needs no token: for DICOMweb doors whose configuration says so. */
  requireExceptLoopback(...roles: readonly Role[]): Guard;
  /** Of a request that `require` let through. */
  identityOf(request: IncomingMessage): Identity;
  /** Whether the token of a request that takes long may be used still. */
  isStillValid(request: IncomingMessage): Promise<boolean>;
}

export interface AccessPorts {
  readonly ledger: Pick<Ledger, 'tokens'>;
  readonly clock: Clock;
}

/** Requests that came in through the hub's own socket, which only the hub's own user can open. */
const throughOwnSocket = new WeakSet<IncomingMessage>();
export function markOwnSocket(request: IncomingMessage): void {
  throughOwnSocket.add(request);
}
export function isThroughOwnSocket(request: IncomingMessage): boolean {
  return throughOwnSocket.has(request);
}

export function createAccess(ports: AccessPorts): Access {
  const identities = new WeakMap<IncomingMessage, Identity>();

  const guard =
    (roles: readonly Role[], isOpenToLoopback: boolean): Guard =>
    async (request, _response, next) => {
      const identity =
        isOpenToLoopback && request.headers.authorization === undefined && isLoopback(request)
          ? LOOPBACK
          : await identify(request, ports);
      identities.set(request, identity);
      if (identity !== LOOPBACK && !roles.includes(identity.role))
        throw new HubError('request.forbidden', { role: identity.role });
      next();
    };

  return {
    require: (...roles) => guard(roles, false),
    requireExceptLoopback: (...roles) => guard(roles, true),
    identityOf: (request) => {
      const identity = identities.get(request);
      if (identity === undefined) throw new HubError('request.unauthenticated');
      return identity;
    },
    isStillValid: (request) =>
      identify(request, ports).then(
        () => true,
        (error: unknown) => {
          if (toHubError(error).code === 'request.unauthenticated') return false;
          throw error;
        },
      ),
  };
}

/**
 * Makes the admin token of the first start.
 *
 * @param owner - the replica that asks
 * @returns the token, to be printed once; undefined when the ledger already has tokens
 */
export async function ensureFirstToken(
  ledger: Pick<Ledger, 'tokens' | 'leases'>,
  clock: Clock,
  owner: string,
): Promise<string | undefined> {
  // Of replicas that start together one makes it. What a crash in between leaves is mended by `hub token create`.
  if ((await ledger.leases.acquire('first-token', owner, FIRST_TOKEN_MS, clock.now())) === undefined) return undefined;
  // Revoked tokens count: a hub whose tokens were all revoked must not hand out a new one by being restarted.
  if ((await ledger.tokens.list()).length > 0) return undefined;
  const { tokenId, token, secretSha256 } = createToken();
  await ledger.tokens.create({ tokenId, secretSha256, role: 'admin', createdAt: clock.now().toISOString() });
  return token;
}

const FIRST_TOKEN_MS = 30_000;
const LOCAL: Identity = { actor: 'local', role: 'admin' };
const LOOPBACK: Identity = { actor: 'loopback', role: 'operator' };

async function identify(request: IncomingMessage, { ledger, clock }: AccessPorts): Promise<Identity> {
  // Who shows a token there wants to be known by it: the socket says only whose machine it is.
  if (isThroughOwnSocket(request) && request.headers.authorization === undefined) return LOCAL;
  const [scheme, text, ...more] = (request.headers.authorization ?? '').trim().split(/ +/);
  if (scheme?.toLowerCase() !== 'bearer' || text === undefined || more.length > 0)
    throw unauthenticated('no bearer token');
  const parsed = parseToken(text);
  if (parsed === undefined) throw unauthenticated('not a token of a hub');
  const row = await ledger.tokens.find(parsed.secretSha256);
  // The id in the text is what audit entries show: it must be the row's own.
  if (row === undefined || !isSameText(row.tokenId, parsed.tokenId)) throw unauthenticated('not known');
  if (row.revokedAt !== undefined) throw unauthenticated('revoked');
  if (row.expiresAt !== undefined && Date.parse(row.expiresAt) <= clock.now().getTime())
    throw unauthenticated('expired');
  return identityOfRow(row);
}

function identityOfRow(row: TokenRow): Identity {
  if (row.role !== 'partner') return { actor: row.tokenId, role: row.role };
  if (row.partner === undefined) throw unauthenticated('names no partner');
  return {
    actor: row.tokenId,
    role: row.role,
    partner: row.partner,
    scopes: row.scopes ?? SCOPES_BEFORE_SCOPES,
  };
}

const unauthenticated = (detail: string): HubError => new HubError('request.unauthenticated', { detail });

const PROXY_HEADER = /^(x-forwarded-.*|forwarded|via|x-real-ip)$/;

const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/** The socket's own address: a header such as X-Forwarded-For is the caller's word and not asked. */
function isLoopback(request: IncomingMessage): boolean {
  // A proxy on this machine would make all its callers look local; most say so by one of these headers.
  if (Object.keys(request.headers).some((name) => PROXY_HEADER.test(name))) return false;
  // A page of anybody's, open in a browser here, may come under a name of its own that it lets lead to this machine.
  if (!LOOPBACK_HOST.test(request.headers.host ?? '')) return false;
  const address = request.socket.remoteAddress ?? '';
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}
