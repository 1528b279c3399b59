/**
 * A body has to keep coming, like a DIMSE message: without this a few senders of a byte a minute would hold all places of
 * store requests for as long as they like. An upload may take hours; what is asked is a kilobyte in half a minute.
 */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';

export interface BodyProgress {
  /** In each such window at least `minBytes` must come; one that falls short is forgiven, the next one is not. */
  readonly windowMs: number;
  readonly minBytes: number;
}

export const DEFAULT_PROGRESS: BodyProgress = { windowMs: 30_000, minBytes: 1_024 };

/** RFC 9110 Section 15.5.9; the same words that Node has for headers that do not come. */
const TOO_SLOW = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

/** A listener of requests that cuts off those whose body comes too slowly, answered with 408 unless something was. */
export function slowBodyGuard({ windowMs, minBytes }: BodyProgress): RequestListener {
  return (request, response) => {
    if (!hasBody(request)) return;
    const { socket } = request;
    let seenBytes = socket.bytesRead;
    let shortBefore = false;
    const clock = setInterval(() => {
      if (request.complete || request.destroyed) {
        clearInterval(clock);
        return;
      }
      const came = socket.bytesRead - seenBytes;
      seenBytes = socket.bytesRead;
      // What has come and waits to be taken: then the hub is the one who is waited for. It may have been taken just now, and
      // what comes next is still on its way: so once is not enough.
      const isShort = came < minBytes && request.readableLength === 0;
      if (!isShort || !shortBefore) {
        shortBefore = isShort;
        return;
      }
      clearInterval(clock);
      if (response.headersSent) socket.destroy();
      else refuse(socket);
    }, windowMs).unref();
    response.once('close', () => clearInterval(clock));
  };
}

function refuse(socket: Duplex): void {
  socket.end(TOO_SLOW, () => socket.destroy());
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
