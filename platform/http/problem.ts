/** Every failure of every HTTP door as problem details (RFC 9457); never a stack, a path or a patient value. */
import type { ErrorRequestHandler, Request, Response } from 'express';
import { ERRORS, type ErrorCode, HubError, toHubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import { requestIdOf } from './request-id.ts';

const PROBLEM_JSON = 'application/problem+json';

function sendProblem(response: Response, error: HubError): void {
  const { http, title, remedy } = error.row;
  if (http === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="hub"');
  const retryAfterMs = error.fields['retryAfterMs'];
  if (typeof retryAfterMs === 'number') response.setHeader('Retry-After', String(Math.ceil(retryAfterMs / 1000)));
  const { allow } = error.fields;
  if (typeof allow === 'string') response.setHeader('Allow', allow);
  response.status(http).type(PROBLEM_JSON);
  response.send(
    JSON.stringify({
      type: `urn:hub:error:${error.code}`,
      title,
      status: http,
      ...(error.fields['detail'] === undefined ? {} : { detail: error.fields['detail'] }),
      ...(error.fields['issues'] === undefined ? {} : { issues: error.fields['issues'] }),
      remedy,
      instance: `urn:hub:request:${requestIdOf(response.req)}`,
    }),
  );
}

export function problemHandler(log: Logger): ErrorRequestHandler {
  // express tells an error handler by its four parameters
  return (thrown: unknown, request, response, _next) => {
    if (hasHungUp(request)) {
      // Nobody is there to be told, and nothing of the hub has failed; what came of the request is its router's to say.
      log.debug('the client hung up', { requestId: requestIdOf(request), method: request.method });
      return;
    }
    const error = fromFramework(thrown) ?? toHubError(thrown);
    const fields = { requestId: requestIdOf(request), method: request.method, code: error.code, fields: error.fields };
    if (error.code === 'internal.unexpected') log.error('request failed unexpectedly', { ...fields, error: thrown });
    else log.debug('request refused', fields);
    if (response.headersSent) {
      // Half an answer must not look like a whole one.
      response.destroy();
      return;
    }
    sendProblem(response, error);
  };
}

/** The connection is gone before the request was whole. */
function hasHungUp(request: Request): boolean {
  return request.destroyed && !request.complete;
}

/** What express and its parsers throw: errors with a status of their own. */
function fromFramework(thrown: unknown): HubError | undefined {
  if (thrown instanceof HubError || !(thrown instanceof Error) || !('status' in thrown)) return undefined;
  const codes: Readonly<Record<number, ErrorCode>> = {
    400: 'request.invalid',
    404: 'resource.not-found',
    413: 'request.too-large',
    415: 'request.media-type',
  };
  const code = typeof thrown.status === 'number' ? codes[thrown.status] : undefined;
  // Their messages may quote the request's body, so only their kind is passed on.
  const detail = 'type' in thrown && typeof thrown.type === 'string' ? thrown.type : undefined;
  return code === undefined ? undefined : new HubError(code, { detail: detail ?? ERRORS[code].title }, thrown);
}
