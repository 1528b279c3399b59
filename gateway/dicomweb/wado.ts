/**
 * WADO-RS (PS3.18 Section 10.4): instances, their metadata, bulk data, frames and pictures, read from the store as
 * ranges and streamed. Which instances there are is for the port to say, so the same router serves another door.
 */
import express, { type Request, type Response, type Router } from 'express';
import { HubError } from '../../core/errors.ts';
import { isUid, parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../../core/identifiers.ts';
import type { Logger } from '../../core/ports.ts';
import type { InstanceItem, ObjectStore } from '../../core/store.ts';
import type { PixelWorkers } from '../../pixels/workers.ts';
import { sendBulkData, sendFrames, sendInstances, sendMetadata } from './wado-answers.ts';
import { parseFrameList } from './wado-frames.ts';
import type { Part10Ports } from './wado-part10.ts';
import { sendPictures, sendRendered, sendThumbnail } from './wado-pictures.ts';
import type { Retrieval } from './wado-retrieval.ts';
import { InstanceOpener, type InstancesOf, type OpenedInstance } from './wado-source.ts';

export interface WadoPorts {
  readonly instancesOf: InstancesOf;
  readonly store: ObjectStore;
  readonly workers: PixelWorkers;
  readonly log: Logger;
}

/** Served at once; a browser opens six connections. */
const MAX_REQUESTS = 64;
const LEVELS = [
  '/studies/:study',
  '/studies/:study/series/:series',
  '/studies/:study/series/:series/instances/:instance',
] as const;
const [, , INSTANCE] = LEVELS;

type Answer = (request: Request, response: Response, retrieval: Retrieval) => Promise<void>;

/** Its errors are thrown: the application's problem handler answers them. */
export function wadoRouter(ports: WadoPorts): Router {
  const log = ports.log.child({ service: 'wado-rs' });
  const opener = new InstanceOpener(ports.store, log);
  const part10: Part10Ports = { opener, workers: ports.workers };
  const router = express.Router();
  let requests = 0;

  const get = (path: string, resource: string, answer: Answer): void => {
    router.get(path, async (request, response) => {
      if (requests >= MAX_REQUESTS) throw new HubError('request.too-many', { retryAfterMs: 5_000 });
      requests += 1;
      const startedMs = performance.now();
      const hungUp = new AbortController();
      response.once('close', () => hungUp.abort(new HubError('gateway.stopping', { detail: 'nobody waits any more' })));
      try {
        const found = await find(request, ports.instancesOf);
        await answer(request, response, { ...found, signal: hungUp.signal });
        log.debug('retrieved', {
          resource,
          studyInstanceUid: found.items[0]?.studyInstanceUid,
          instances: found.items.length,
          status: response.statusCode,
          durationSeconds: (performance.now() - startedMs) / 1000,
        });
      } catch (error) {
        // Whoever hung up is told nothing.
        if (!hungUp.signal.aborted) throw error;
      } finally {
        requests -= 1;
      }
    });
  };
  const withInstance = async (item: InstanceItem, use: (instance: OpenedInstance) => Promise<void>): Promise<void> => {
    const instance = await opener.open(item);
    try {
      await use(instance);
    } finally {
      await instance.close();
    }
  };

  for (const level of LEVELS) {
    get(level, 'instances', (request, response, retrieval) => sendInstances(request, response, retrieval, part10));
    get(`${level}/metadata`, 'metadata', (request, response, retrieval) =>
      sendMetadata(request, response, retrieval, opener),
    );
    get(`${level}/rendered`, 'rendered', (request, response, retrieval) =>
      sendRendered(request, response, retrieval, part10),
    );
    get(`${level}/thumbnail`, 'thumbnail', (request, response, retrieval) =>
      sendThumbnail(request, response, retrieval, part10),
    );
  }
  get(`${INSTANCE}/bulkdata/*path`, 'bulkdata', (request, response, { items, signal }) =>
    withInstance(onlyOne(items), (instance) => sendBulkData(request, response, instance, part10, signal)),
  );
  get(`${INSTANCE}/frames/:frames`, 'frames', (request, response, { items, signal }) =>
    withInstance(onlyOne(items), async (instance) => {
      const { description } = await instance.pixels();
      const frames = parseFrameList(text(request, 'frames'), description.numberOfFrames);
      await sendFrames(request, response, instance, frames, part10, signal);
    }),
  );
  for (const kind of ['rendered', 'thumbnail'] as const)
    get(`${INSTANCE}/frames/:frames/${kind}`, kind, (request, response, { items, signal }) =>
      withInstance(onlyOne(items), async (instance) => {
        const { description } = await instance.pixels();
        const frames = parseFrameList(text(request, 'frames'), description.numberOfFrames);
        const pictures = { item: instance.item, count: frames.length, frame: (n: number) => frames[n] ?? 0 };
        await sendPictures(request, response, [pictures], kind === 'thumbnail', part10, signal);
      }),
    );
  return router;
}

async function find(request: Request, instancesOf: InstancesOf): Promise<Omit<Retrieval, 'signal'>> {
  const uid = (name: string): string => {
    const value = text(request, name);
    if (!isUid(value)) throw new HubError('request.invalid', { detail: `the ${name} is not a UID` });
    return value;
  };
  const study = parseStudyInstanceUid(uid('study'));
  const series = request.params['series'] === undefined ? undefined : parseSeriesInstanceUid(uid('series'));
  const instance = request.params['instance'] === undefined ? undefined : parseSopInstanceUid(uid('instance'));
  const items = await instancesOf(study, series, instance, request);
  if (items.length === 0) throw new HubError('resource.not-found');
  return { items, isOneInstance: instance !== undefined };
}

function onlyOne(items: readonly InstanceItem[]): InstanceItem {
  const [item] = items;
  if (item === undefined) throw new HubError('resource.not-found');
  return item;
}

function text(request: Request, name: string): string {
  const value = request.params[name];
  return typeof value === 'string' ? value : '';
}
