/** `/metrics`: at which port it is, and who may read it. Its labels name sources, destinations and partners. */
import express, { type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { HubError } from '../../core/errors.ts';
import { otherMethods } from '../../core/other-methods.ts';
import type { Logger } from '../../core/ports.ts';
import { isThroughOwnSocket } from '../auth/access.ts';
import { isSameText } from '../auth/token.ts';
import { problemHandler } from './problem.ts';
import { requestIds } from './request-id.ts';

export interface MetricsDoor {
  /** Whoever reads shows it as a bearer token; absent: nobody is asked. */
  readonly token?: string;
  /** A port of its own; absent: the one of everything else. */
  readonly listen?: { readonly host: string; readonly port: number };
}

export type RenderMetrics = () => Promise<{ readonly contentType: string; readonly body: string }>;

const PATH = '/metrics';

/** On the port of everything else: what comes through the hub's own socket is always answered. */
export function mountMetrics(app: Express, render: RenderMetrics, { token, listen }: MetricsDoor): void {
  app.get(PATH, (request, _response, next) => {
    if (isThroughOwnSocket(request)) next();
    // As any path that is not there: it is at another port.
    else if (listen !== undefined) throw new HubError('resource.not-found');
    else requireToken(token)(request, _response, next);
  });
  app.get(PATH, serve(render));
  // Where it is at another port there is nothing here, whatever the method.
  if (listen === undefined) app.all(PATH, otherMethods(['GET']));
}

/** On a port of its own, where there is nothing else. */
export function metricsApp(render: RenderMetrics, { token }: MetricsDoor, log: Logger): Express {
  const app = express();
  app.set('etag', false);
  app.use(requestIds, helmet({ strictTransportSecurity: false }));
  app.get(PATH, requireToken(token), serve(render));
  app.all(PATH, otherMethods(['GET']));
  app.use(() => {
    throw new HubError('resource.not-found');
  });
  app.use(problemHandler(log));
  return app;
}

function requireToken(token: string | undefined): RequestHandler {
  return (request, _response, next) => {
    const [scheme, text, ...more] = (request.headers.authorization ?? '').trim().split(/ +/);
    const isShown = scheme?.toLowerCase() === 'bearer' && text !== undefined && more.length === 0;
    if (token !== undefined && !(isShown && isSameText(text, token)))
      throw new HubError('request.unauthenticated', { detail: 'metrics are shown to whoever has their token' });
    next();
  };
}

function serve(render: RenderMetrics): RequestHandler {
  return async (_request, response) => {
    const { contentType, body } = await render();
    response.setHeader('Content-Type', contentType);
    response.end(body);
  };
}
