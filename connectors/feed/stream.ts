/** `/partner/v1/events/stream`: the feed as server-sent events, resumed from the ledger, so nothing is kept for a reader. */
import { once } from 'node:events';
import type { Response } from 'express';
import { HubError } from '../../core/errors.ts';
import type { EventType, PositionedEvent } from '../../core/events.ts';
import type { Ledger } from '../../core/ledger.ts';
import { entitledTypes, type Partner, partnerStream } from '../../core/partners.ts';
import type { Logger } from '../../core/ports.ts';
import { waited } from '../../core/waited.ts';

export const EVENT_STREAM = 'text/event-stream; charset=utf-8';
const PAGE = 100;
/** Beside the quota of each partner, so that all of them together do not take the hub's sockets. */
const MAX_STREAMS = 256;
const RETRY_MS = 5_000;
/** A busy ledger commits hundreds of times a second; a reader need not look as often. */
const MIN_GAP_MS = 50;
/** A token that was revoked, or a partner whose access has ended, has its stream for no longer. */
const ASK_AGAIN_MS = 1_000;

export interface FeedStreamsOptions {
  readonly ledger: Pick<Ledger, 'events' | 'onCommit'>;
  readonly log: Logger;
  readonly heartbeatMs: number;
  readonly render: (
    partner: string,
    event: PositionedEvent,
  ) => { readonly cursor: string; readonly event: Record<string, unknown> };
  readonly mayHave: (partner: Partner, event: PositionedEvent) => boolean;
}

export interface StreamReader {
  readonly partner: Partner;
  readonly after: number;
  readonly types: readonly EventType[] | undefined;
  /** The partner as it is now; undefined: it may read no longer. */
  readonly stillThere: () => Promise<Partner | undefined>;
}

export interface FeedStreams {
  /** Resolves when the reader has gone or the hub stops. @throws {HubError} `request.too-many` */
  serve(response: Response, reader: StreamReader): Promise<void>;
  stop(): void;
}

export function createFeedStreams({ ledger, log, heartbeatMs, render, mayHave }: FeedStreamsOptions): FeedStreams {
  const open = new Map<string, number>();
  const stopping = new AbortController();

  return {
    serve: async (response, reader) => {
      const { name, quotas } = reader.partner;
      const total = [...open.values()].reduce((sum, count) => sum + count, 0);
      const ofPartner = open.get(name) ?? 0;
      if (total >= MAX_STREAMS || ofPartner >= quotas.streams) {
        throw new HubError('request.too-many', { detail: 'event streams', retryAfterMs: RETRY_MS });
      }
      open.set(name, ofPartner + 1);
      try {
        await follow(response, reader);
      } catch (error) {
        // The head is long sent: the reader sees the end of the stream and comes back with its last id.
        log.warn('event stream broke off', {
          partner: name,
          error: error instanceof Error ? error.message : 'unknown',
        });
        response.destroy();
      } finally {
        const left = (open.get(name) ?? 1) - 1;
        if (left === 0) open.delete(name);
        else open.set(name, left);
      }
    },
    stop: () => stopping.abort(),
  };

  async function follow(response: Response, reader: StreamReader): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const over = AbortSignal.any([gone.signal, stopping.signal]);
    response.writeHead(200, {
      'Content-Type': EVENT_STREAM,
      'Cache-Control': 'no-store',
      // Proxies would hold events back until a buffer is full.
      'X-Accel-Buffering': 'no',
    });
    response.write(`retry: ${RETRY_MS}\n\n`);

    const bell = createBell(ledger, over);
    let { partner, after } = reader;
    let lastWriteMs = performance.now();
    let askedMs = performance.now();
    while (!over.aborted) {
      if (performance.now() - askedMs >= ASK_AGAIN_MS) {
        const now = await reader.stillThere();
        if (now === undefined) break;
        partner = now;
        askedMs = performance.now();
      }
      const types = entitledTypes(partner, reader.types);
      const events = await ledger.events.read({
        streams: [partnerStream(partner.name)],
        after,
        limit: PAGE,
        ...(types === undefined ? {} : { types }),
      });
      for (const event of events) {
        after = event.position;
        if (!mayHave(partner, event)) continue;
        const { cursor, event: body } = render(partner.name, event);
        await write(response, over, `id: ${cursor}\nevent: ${String(body['type'])}\ndata: ${JSON.stringify(body)}\n\n`);
        lastWriteMs = performance.now();
      }
      if (events.length === PAGE) continue;
      // Commits that are not for this partner wake us too: silence is measured, not inferred.
      await bell.rings(Math.min(lastWriteMs + heartbeatMs, askedMs + ASK_AGAIN_MS) - performance.now());
      if (performance.now() - lastWriteMs < heartbeatMs) continue;
      await write(response, over, ': heartbeat\n\n');
      lastWriteMs = performance.now();
    }
    response.end();
  }
}

/** Waits for a reader that is slower than the feed, so that nothing piles up in memory. */
async function write(response: Response, over: AbortSignal, text: string): Promise<void> {
  if (over.aborted || response.write(text)) return;
  try {
    await once(response, 'drain', { signal: over });
  } catch {
    // Over: the loop sees it.
  }
}

/** Rings when something was committed since it was last listened to; not more often than `MIN_GAP_MS`. */
function createBell(
  ledger: Pick<Ledger, 'onCommit'>,
  over: AbortSignal,
): { readonly rings: (withinMs: number) => Promise<void> } {
  let hasRung = false;
  let wake: (() => void) | undefined;
  const silence = ledger.onCommit(() => {
    hasRung = true;
    wake?.();
  });
  const leave = () => {
    silence();
    wake?.();
  };
  if (over.aborted) leave();
  over.addEventListener('abort', leave, { once: true });
  return {
    rings: async (withinMs) => {
      await waited(MIN_GAP_MS, over);
      if (!hasRung && !over.aborted && withinMs > MIN_GAP_MS) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, withinMs - MIN_GAP_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      hasRung = false;
    },
  };
}
