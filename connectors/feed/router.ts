/** `/partner/v1/events`: a partner's own feed, pulled page by page. The partner is the token's; there is no way to name another. */
import { type Request, type RequestHandler, Router } from 'express';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import {
  EVENTS,
  type EventType,
  type PartnerStream,
  type PositionedEvent,
  toCloudEvent,
  wireType,
} from '../../core/events.ts';
import type { Ledger, Role } from '../../core/ledger.ts';
import type { Identity, Logger } from '../../core/ports.ts';
import { createCursors } from './cursor.ts';
import { partnerStream } from './projection.ts';
import { createFeedStreams, EVENT_STREAM } from './stream.ts';

export interface FeedPorts {
  readonly ledger: Pick<Ledger, 'events' | 'onCommit'>;
  readonly access: {
    require(...roles: readonly Role[]): RequestHandler;
    identityOf(request: Request): Identity;
  };
  readonly log: Logger;
}

export interface FeedOptions {
  readonly hubName: string;
  /** 32 secret bytes, the same on every start: partners keep their cursors. */
  readonly cursorKey: Uint8Array;
  /** Between heartbeats of a stream, and so between looks at the ledger when nothing wakes it. */
  readonly heartbeatMs?: number;
}

export interface Feed {
  /** To be mounted at `/partner/v1/events`. */
  readonly router: Router;
  /** Ends all streams; their readers come back with their last cursor. Harmless twice. */
  stop(): void;
}

const DEFAULT_HEARTBEAT_MS = 15_000;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

const typesByWireName = new Map(
  Object.entries(EVENTS)
    .filter(([, entry]) => 'partner' in entry)
    .map(([type]) => [wireType(type as EventType), type as EventType]),
);

const types = z
  .string()
  .transform((text) => text.split(',').filter((name) => name !== ''))
  .pipe(z.array(z.enum([...typesByWireName.keys()])))
  .transform((names) => names.map((name) => typesByWireName.get(name)).filter((type) => type !== undefined));

const pageQuery = z.object({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  types: types.optional(),
});
const streamQuery = pageQuery.pick({ after: true, types: true });

export function createFeed(ports: FeedPorts, options: FeedOptions): Feed {
  const { ledger, access } = ports;
  const cursors = createCursors(options.cursorKey);
  const render = (stream: PartnerStream, event: PositionedEvent) => ({
    cursor: cursors.format(stream, event.position),
    event: toCloudEvent(event, options.hubName),
  });
  const streams = createFeedStreams({
    ledger,
    log: ports.log.child({ stage: 'connectors', connector: 'feed' }),
    heartbeatMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    render,
  });
  const router = Router();
  router.use(access.require('partner'));

  router.get('/', async (request, response) => {
    const stream = streamOf(access.identityOf(request));
    const query = parseQuery(pageQuery, request.query);
    const after = query.after === undefined ? 0 : cursors.parse(stream, query.after);
    const read = await ledger.events.read({
      streams: [stream],
      after,
      // One more tells whether there are more.
      limit: query.limit + 1,
      ...(query.types === undefined ? {} : { types: query.types }),
    });
    const page = read.slice(0, query.limit);
    response.setHeader('Cache-Control', 'no-store');
    response.json({
      events: page.map((event) => render(stream, event).event),
      cursor: cursors.format(stream, page.at(-1)?.position ?? after),
      hasMore: read.length > page.length,
    });
  });

  router.get('/stream', async (request, response) => {
    const stream = streamOf(access.identityOf(request));
    const query = parseQuery(streamQuery, request.query);
    // A browser that comes back sends the last id it saw; that wins over the address it first asked for.
    const cursor = request.get('Last-Event-ID') ?? query.after;
    const after = cursor === undefined ? 0 : cursors.parse(stream, cursor);
    if (request.method === 'HEAD') {
      // express answers HEAD with what GET does: a stream that nobody reads and that takes a reader's place.
      response.type(EVENT_STREAM).end();
      return;
    }
    await streams.serve(response, stream, after, query.types);
  });

  return { router, stop: () => streams.stop() };
}

function streamOf(identity: Identity): PartnerStream {
  if (identity.partner === undefined) throw new HubError('request.forbidden');
  return partnerStream(identity.partner);
}

/** @throws {HubError} `request.invalid` */
function parseQuery<T>(schema: z.ZodType<T>, query: unknown): T {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const detail = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw new HubError('request.invalid', { detail });
}
