/** One id a request: in the answer, in the log and in a problem's `instance`. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';

const ids = new WeakMap<IncomingMessage, string>();
/** A caller's own id is kept only if it can stand in a log line as it is. */
const HARMLESS = /^[A-Za-z0-9._-]{1,64}$/;

export const requestIds: RequestHandler = (request, response, next) => {
  const sent = request.headers['x-request-id'];
  const id = typeof sent === 'string' && HARMLESS.test(sent) ? sent : randomUUID();
  ids.set(request, id);
  response.setHeader('X-Request-Id', id);
  next();
};

export function requestIdOf(request: IncomingMessage): string {
  const known = ids.get(request);
  if (known !== undefined) return known;
  const id = randomUUID();
  ids.set(request, id);
  return id;
}
