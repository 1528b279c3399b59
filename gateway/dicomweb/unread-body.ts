/** The rest of a request that was answered before its end. */
import type { IncomingMessage } from 'node:http';

/** A sender that has not stopped by then is cut off. */
const DRAIN_MS = 30_000;

/** The body for whoever reads it: to leave it early leaves the connection open, for the answer. */
export function bodyOf(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/**
 * Takes the rest from the sender and forgets it. A connection closed with bytes unread is reset, and many senders lose
 * the answer with it, for they read only when they have sent all.
 */
export function drain(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const timer = setTimeout(() => request.destroy(), DRAIN_MS);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
  request.on('error', () => undefined); // The sender hung up: nobody is left to be told.
  request.resume();
}
