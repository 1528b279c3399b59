/**
 * The door through which a partner returns what it made of released studies: STOW-RS, for its own token only. What it is
 * answered depends on nothing but what it sent itself.
 */
import express, { type Request, type RequestHandler, type Response, type Router } from 'express';
import { HubError } from '../../core/errors.ts';
import { stowRouter, type StowPorts } from './stow.ts';

/** The partner a request is of, by its token. @throws {HubError} what refuses it */
export type PartnerOf = (request: Request, response: Response) => Promise<string>;

/**
 * @param sourceOf - the source of what a partner returns; undefined: it may return nothing here
 */
export function partnerStowRouter(
  ports: StowPorts,
  partnerOf: PartnerOf,
  sourceOf: (partner: string) => string | undefined = () => undefined,
): Router {
  const sources = new WeakMap<Request, string>();
  const admit: RequestHandler = async (request, response, next) => {
    const source = sourceOf(await partnerOf(request, response));
    if (source === undefined) throw new HubError('request.forbidden', { detail: 'nothing is taken back here' });
    sources.set(request, source);
    next();
  };
  const stow = stowRouter({
    ...ports,
    // Nothing that was returned can be retrieved here.
    isRetrievable: false,
    sourceOf: (request) => {
      const source = sources.get(request);
      if (source === undefined) throw new TypeError('a request that was not let in');
      return source;
    },
  });
  const router = express.Router();
  // Only these: what else partners ask for under the same path is answered elsewhere.
  router.post(['/studies', '/studies/:study'], admit, stow);
  return router;
}
