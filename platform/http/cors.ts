/**
 * Which pages of other origins may use a door from a browser (Fetch standard, CORS protocol). It takes no token's place:
 * a page that may ask still has to say who asks. Nothing is answered to origins that are not listed; their browsers refuse.
 */
import type { RequestHandler } from 'express';

const METHODS = 'GET, HEAD, POST, OPTIONS';
const REQUEST_HEADERS = 'Authorization, Accept, Content-Type, Range, If-None-Match, If-Range';
const RESPONSE_HEADERS =
  'Accept-Ranges, Content-Disposition, Content-Length, Content-Location, Content-Range, ETag, Location, Retry-After, Warning';
const PREFLIGHT_SECONDS = '600';

/** To stand before authentication: a browser's preflight carries no token. @param origins - as browsers write them */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const allowed = new Set(origins);
  return (request, response, next) => {
    const { origin } = request.headers;
    if (allowed.size > 0) response.vary('Origin');
    if (origin === undefined || !allowed.has(origin)) {
      next();
      return;
    }
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', RESPONSE_HEADERS);
    // Else a page that isolates itself, as viewers with threads do, may not load what it has asked for.
    response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) {
      next();
      return;
    }
    response.setHeader('Access-Control-Allow-Methods', METHODS);
    response.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS);
    response.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    response.status(204).end();
  };
}
