/**
 * Who comes in at `/partner/v1`: a partner's own token, of a partner that may have something now, within its rate. What is
 * asked for is not looked at before, so a refusal here says nothing about it.
 */
import type { Request, RequestHandler } from 'express';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { HubError } from '../../core/errors.ts';
import type { Role } from '../../core/ledger/tokens.ts';
import { type Partner, type PartnerScope, withheld } from '../../core/partners.ts';
import type { Clock, Identity } from '../../core/ports.ts';
import type { PartnerDirectory } from './directory.ts';

export interface Caller {
  readonly partner: Partner;
  readonly tokenId: string;
  readonly scopes: readonly PartnerScope[];
}

export interface DoorPorts {
  readonly access: {
    require(...roles: readonly Role[]): RequestHandler;
    identityOf(request: Request): Identity;
    /** Whether the request's token may be used still. */
    isStillValid(request: Request): Promise<boolean>;
  };
  readonly directory: PartnerDirectory;
  readonly clock: Clock;
}

export interface PartnerDoor {
  /** In front of everything. */
  readonly guards: readonly RequestHandler[];
  needs(scope: PartnerScope): RequestHandler;
  /** Of a request that came through `guards`. */
  callerOf(request: Request): Caller;
  /** The caller of a request that takes long, as it is now; undefined: it may not go on. */
  stillThere(request: Request): Promise<Caller | undefined>;
}

const WINDOW_SECONDS = 1;

export function createPartnerDoor({ access, directory, clock }: DoorPorts): PartnerDoor {
  const callers = new WeakMap<Request, Caller>();
  /** By how much they let through. Their keys are ids of valid tokens, forgotten when their second is over. */
  const limiters = new Map<number, RateLimiterMemory>();
  const limiterOf = (points: number): RateLimiterMemory => {
    const known = limiters.get(points) ?? new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
    limiters.set(points, known);
    return known;
  };

  const callerNow = async ({ partner: name, actor, scopes = [] }: Identity): Promise<Caller | undefined> => {
    const partner = name === undefined ? undefined : await directory.find(name);
    if (partner === undefined || withheld(partner, {}, clock.now().getTime()) !== undefined) return undefined;
    return { partner, tokenId: actor, scopes };
  };

  return {
    guards: [
      access.require('partner'),
      async (request, _response, next) => {
        const caller = await callerNow(access.identityOf(request));
        if (caller === undefined)
          throw new HubError('request.forbidden', { detail: 'the access of this partner has ended' });
        await consume(limiterOf(caller.partner.quotas.requestsPerSecond), caller.tokenId);
        callers.set(request, caller);
        next();
      },
    ],
    needs: (scope) => (request, _response, next) => {
      if (!callerOf(request).scopes.includes(scope)) {
        throw new HubError('request.forbidden', { detail: `the token has not the scope ${scope}` });
      }
      next();
    },
    callerOf,
    stillThere: async (request) =>
      (await access.isStillValid(request)) ? await callerNow(access.identityOf(request)) : undefined,
  };

  function callerOf(request: Request): Caller {
    const caller = callers.get(request);
    if (caller === undefined) throw new HubError('request.unauthenticated');
    return caller;
  }
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    throw new HubError('request.too-many', { detail: 'requests a second', retryAfterMs: error.msBeforeNext });
  }
}
