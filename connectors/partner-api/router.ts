/** `/partner/v1`: everything a partner can ask for, behind one door. What is not described here is not served. */
import express, { type Request, type RequestHandler, Router } from 'express';
import { HubError, toHubError } from '../../core/errors.ts';
import type { Ledger } from '../../core/ledger.ts';
import { type DescribedOperation, openApi } from '../../core/openapi.ts';
import { methodsByPath, otherMethods } from '../../core/other-methods.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { InstanceItem } from '../../core/store.ts';
import { createCursors } from '../feed/cursor.ts';
import { createFeed, feedOperations } from '../feed/router.ts';
import { createPlaces } from '../feed/places.ts';
import { createKeyBox } from '../webhook/key-box.ts';
import { accountOperations, type AccountPorts } from './account-operations.ts';
import { otherOperations, stowOperations, wadoOperations } from './described.ts';
import type { PartnerDirectory } from './directory.ts';
import { createPartnerDoor, type DoorPorts, type PartnerDoor } from './door.ts';
import type { PartnerOperation } from './operation.ts';
import { createReleasedInstances } from './released-instances.ts';
import { webhookOperations, type WebhookPorts } from './webhook-operations.ts';

/** Which instances there are for whoever asks; as WADO-RS wants to know it. */
export type InstancesFor = (
  study: string,
  series: string | undefined,
  instance: string | undefined,
  request: Request,
) => Promise<readonly InstanceItem[]>;

export interface PartnerApiPorts {
  readonly ledger: Ledger;
  readonly access: DoorPorts['access'];
  readonly directory: PartnerDirectory;
  readonly clock: Clock;
  readonly log: Logger;
  readonly mintToken: AccountPorts['mintToken'];
  /** WADO-RS over these instances. */
  readonly wado: (instancesOf: InstancesFor) => RequestHandler;
  /** STOW-RS for what a partner returns; absent: it returns nothing here. */
  readonly returns?: (partnerOf: (request: Request) => Promise<string>) => RequestHandler;
}

export interface PartnerApiOptions {
  readonly hubName: string;
  /** 32 secret bytes each, the same on every start and for every replica. */
  readonly cursorKey: Uint8Array;
  readonly webhooksKey: Uint8Array;
  readonly heartbeatMs?: number;
}

export interface PartnerApi {
  /** To be mounted at `/partner/v1`. */
  readonly router: Router;
  /** Ends all streams. Harmless twice. */
  stop(): void;
}

const VERSION = '1.0.0';
const BODY_LIMIT = '64kb';
/** Retrievals of one partner at once: a browser opens six connections, and the other partners want some too. */
const MAX_RETRIEVALS = 16;
const STOW_PATHS = ['/studies', '/studies/:study'];

/** The description, which is of no hub in particular: as `/partner/v1/openapi.json` answers it. */
export function partnerApiDocument(): Record<string, unknown> {
  return describe(operationsOf(NO_PORTS));
}

function operationsOf(ports: AccountPorts & WebhookPorts): readonly PartnerOperation[] {
  return [...accountOperations(ports), ...webhookOperations(ports)];
}

/** For a description alone: nothing is performed. */
const NO_PORTS: AccountPorts & WebhookPorts = {
  get ledger(): never {
    throw new TypeError('nothing is performed here');
  },
  get places(): never {
    throw new TypeError('nothing is performed here');
  },
  get keys(): never {
    throw new TypeError('nothing is performed here');
  },
  get cursors(): never {
    throw new TypeError('nothing is performed here');
  },
  get mintToken(): never {
    throw new TypeError('nothing is performed here');
  },
  clock: { now: () => new Date(0) },
  hubName: '',
};

function describe(operations: readonly PartnerOperation[]): Record<string, unknown> {
  return openApi({
    title: 'Imaging hub, for partners',
    description:
      'Events, studies and webhooks of one partner: the one whose token is shown. Errors are problem details (RFC 9457). What belongs to another is answered as if it were not there.',
    version: VERSION,
    server: '/partner/v1',
    token: 'A token of the partner; each operation names the scope that it needs.',
    refusals: {
      400: 'The request is not valid',
      401: 'No valid token',
      403: 'The token has not the scope for this, is none of a partner, or the access has ended',
      404: 'Not there, or of another',
      429: 'Too many requests: Retry-After says when to try again',
    },
    operations: describedOperations(operations, true),
  });
}

function describedOperations(
  operations: readonly PartnerOperation[],
  takesReturns: boolean,
): readonly DescribedOperation[] {
  return [
    ...feedOperations,
    ...operations.map(({ described }) => described),
    ...wadoOperations,
    ...(takesReturns ? stowOperations : []),
    ...otherOperations,
  ];
}

export function createPartnerApi(ports: PartnerApiPorts, options: PartnerApiOptions): PartnerApi {
  const { ledger, clock, log } = ports;
  const door = createPartnerDoor(ports);
  const places = createPlaces(ledger, options.cursorKey);
  const feed = createFeed(
    { ledger, door, places, clock, log },
    {
      hubName: options.hubName,
      ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
    },
  );
  const operations = operationsOf({
    ...{ ledger, places, clock, hubName: options.hubName, mintToken: ports.mintToken },
    cursors: createCursors(options.cursorKey),
    keys: createKeyBox(options.webhooksKey),
  });
  const released = createReleasedInstances({ ledger, clock });
  const document = describe(operations);

  const router = Router();
  router.get('/openapi.json', (_request, response) => {
    response.json(document);
  });
  router.use(...door.guards);
  router.use('/events', door.needs('feed:read'), feed.router);
  if (ports.returns !== undefined) {
    router.post(STOW_PATHS, door.needs('results:write'));
    router.use(ports.returns((request) => Promise.resolve(door.callerOf(request).partner.name)));
  }
  router.use(express.json({ limit: BODY_LIMIT, strict: true }));
  for (const each of operations) {
    const guards = each.scope === undefined ? [] : [door.needs(each.scope)];
    const path = each.described.path.replaceAll(/\{(\w+)\}/g, ':$1');
    router[each.described.method](path, ...guards, serve(each, ports, door));
  }
  router.use('/studies', door.needs('studies:read'), onlySoMany(door, MAX_RETRIEVALS));
  router.use(
    ports.wado((study, series, instance, request) => released(door.callerOf(request).partner, study, series, instance)),
  );
  for (const [path, methods] of methodsByPath(describedOperations(operations, ports.returns !== undefined))) {
    router.all(path, otherMethods(methods));
  }
  return { router, stop: () => feed.stop() };
}

function serve(each: PartnerOperation, ports: PartnerApiPorts, door: PartnerDoor): RequestHandler {
  return async (request, response) => {
    const caller = door.callerOf(request);
    const audit = async (subject: string, outcome: 'done' | 'refused') => {
      if (each.audit === undefined) return;
      const data = { actor: caller.tokenId, role: 'partner', action: each.audit, subject, outcome } as const;
      await ports.ledger.events.append([{ type: 'action.audited', stream: 'hub.audit.v1', key: caller.tokenId, data }]);
      ports.log.info('action audited', { ...data, partner: caller.partner.name });
    };
    try {
      const { answer, subject } = await each.perform(request, caller);
      await audit(subject, 'done');
      response.setHeader('Cache-Control', 'no-store');
      response.status(each.described.status).json(answer);
    } catch (error) {
      const { http } = toHubError(error).row;
      // What a partner tried and may not is worth as much to an auditor as what it did; what it named may be anything.
      if (http >= 400 && http < 500) await audit(each.described.path, 'refused');
      throw error;
    }
  };
}

/** Of one partner at once. @throws {HubError} `request.too-many` */
function onlySoMany(door: Pick<PartnerDoor, 'callerOf'>, most: number): RequestHandler {
  const underWay = new Map<string, number>();
  return (request, response, next) => {
    const { name } = door.callerOf(request).partner;
    const now = underWay.get(name) ?? 0;
    if (now >= most) throw new HubError('request.too-many', { detail: 'retrievals', retryAfterMs: 1_000 });
    underWay.set(name, now + 1);
    response.once('close', () => {
      const left = (underWay.get(name) ?? 1) - 1;
      if (left === 0) underWay.delete(name);
      else underWay.set(name, left);
    });
    next();
  };
}
