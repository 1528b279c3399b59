/** `/partner/v1/events`: a partner's own feed, pulled page by page. The partner is the token's; there is no way to name another. */
import { type Request, Router } from 'express';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { EVENTS, type EventType, type PositionedEvent, toCloudEvent, wireType } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import type { DescribedOperation } from '../../core/openapi.ts';
import { parseQuery } from '../../core/parse-input.ts';
import { entitledTypes, type Partner, partnerStream, wantedOf, withheld } from '../../core/partners.ts';
import type { Clock, Logger } from '../../core/ports.ts';
import type { PartnerDoor } from '../partner-api/door.ts';
import type { Places } from './places.ts';
import { createFeedStreams, EVENT_STREAM } from './stream.ts';

export interface FeedPorts {
  readonly ledger: Pick<Ledger, 'events' | 'onCommit'>;
  readonly door: Pick<PartnerDoor, 'callerOf' | 'stillThere'>;
  readonly places: Places;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface FeedOptions {
  readonly hubName: string;
  /** Between heartbeats of a stream, and so between looks at the ledger when nothing wakes it. */
  readonly heartbeatMs?: number;
}

export interface Feed {
  /** To be mounted at `/partner/v1/events`, behind the partners' door. */
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

/** By the names that configuration and administrators use. */
const wireNames = new Map([...typesByWireName].map(([wireName, type]) => [type as string, wireName]));

/** Types as a partner writes them: `hub.study.processed.v1`. */
export const partnerTypes = z
  .array(z.enum([...typesByWireName.keys()]))
  .transform((names) => names.map((name) => typesByWireName.get(name)).filter((type) => type !== undefined));

const types = z
  .string()
  .describe(
    'Event types, separated by commas, as `hub.study.processed.v1` or `study.processed`; without it: every type.',
  )
  .transform((text) =>
    text
      .split(',')
      .filter((name) => name !== '')
      .map((name) => wireNames.get(name) ?? name),
  )
  .pipe(partnerTypes);

const place = {
  after: z.string().optional().describe('A cursor of this feed: what comes after it.'),
  from: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('A moment: what happened then or later. Not with a cursor.'),
  types: types.optional(),
};
const pageQuery = z.object({
  ...place,
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT).describe('Events a page.'),
});
const streamQuery = z.object(place);

/** A CloudEvent of the feed; `data` is what the type's schema at `dataschema` says. */
export const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: z.string(),
  source: z.string(),
  type: z.string(),
  subject: z.string().optional().describe('The Study Instance UID as released'),
  time: z.string().optional(),
  datacontenttype: z.literal('application/json'),
  dataschema: z.string().optional(),
  data: z.record(z.string(), z.unknown()),
});
const page = z.object({
  events: z.array(cloudEvent),
  cursor: z.string().describe('The place after this page: `after` of the next. Good for as long as the feed is kept.'),
  hasMore: z.boolean(),
});

export const feedOperations: readonly DescribedOperation[] = [
  {
    ...{ method: 'get', path: '/events', tag: 'events', status: 200 },
    summary: "A page of the partner's events, in order",
    description:
      'Read on with the cursor of the page before. Any place can be read again: with its cursor, or by time.',
    needs: ['feed:read'],
    query: pageQuery,
    answer: { 'application/json': page },
  },
  {
    ...{ method: 'get', path: '/events/stream', tag: 'events', status: 200 },
    summary: "The partner's events as they come, as server-sent events",
    description:
      'Each event has its cursor as `id`; a reader that comes back with `Last-Event-ID` goes on after it. A comment comes when nothing else does.',
    needs: ['feed:read'],
    query: streamQuery,
    headers: z.object({ 'Last-Event-ID': z.string().optional().describe('The last cursor seen; wins over `after`.') }),
    answer: { 'text/event-stream': undefined },
  },
];

export function createFeed(ports: FeedPorts, options: FeedOptions): Feed {
  const { ledger, door, places, clock } = ports;
  const render = (partner: string, event: PositionedEvent) => ({
    cursor: places.format(partner, event.position),
    event: toCloudEvent(event, options.hubName),
  });
  const streams = createFeedStreams({
    ledger,
    log: ports.log.child({ stage: 'connectors', connector: 'feed' }),
    heartbeatMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    render,
    mayHave,
  });
  const router = Router();

  router.get('/', async (request, response) => {
    const { partner } = door.callerOf(request);
    const query = parseQuery(pageQuery, request.query);
    const after = await places.find(partner, query);
    const wanted = entitledTypes(partner, query.types);
    const read = await ledger.events.read({
      streams: [partnerStream(partner.name)],
      after,
      // One more tells whether there are more.
      limit: query.limit + 1,
      ...(wanted === undefined ? {} : { types: wanted }),
    });
    const found = read.slice(0, query.limit);
    response.setHeader('Cache-Control', 'no-store');
    response.json({
      events: found.filter((event) => mayHave(partner, event)).map((event) => render(partner.name, event).event),
      cursor: places.format(partner.name, found.at(-1)?.position ?? after),
      hasMore: read.length > found.length,
    });
  });

  router.get('/stream', async (request, response) => {
    const { partner } = door.callerOf(request);
    const query = parseQuery(streamQuery, request.query);
    // A browser that comes back sends the last id it saw; that wins over the address it first asked for.
    const last = lastEventId(request);
    const after = await places.find(partner, last === undefined ? query : { after: last });
    if (request.method === 'HEAD') {
      // express answers HEAD with what GET does: a stream that nobody reads and that takes a reader's place.
      response.type(EVENT_STREAM).end();
      return;
    }
    const stillThere = async () => (await door.stillThere(request))?.partner;
    await streams.serve(response, { partner, after, types: query.types, stillThere });
  });

  return { router, stop: () => streams.stop() };

  /** Asked of each event that is about to leave, whatever was asked of the ledger. */
  function mayHave(partner: Partner, event: PositionedEvent): boolean {
    return withheld(partner, wantedOf(event), clock.now().getTime()) === undefined;
  }
}

/** @throws {HubError} `request.invalid` when it is there and empty: a reader that lost its place must not begin anew unawares */
function lastEventId(request: Request): string | undefined {
  const last = request.get('Last-Event-ID');
  if (last === '') throw new HubError('request.invalid', { detail: 'Last-Event-ID is empty' });
  return last;
}
