/** Routers of DICOMweb on a free port of this machine, as the hub mounts them behind its authentication. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import express, { type RequestHandler } from 'express';
import type { Logger } from '../../core/ports.ts';
import { problemHandler } from '../../platform/http/problem.ts';
import { silentLog } from './silent-log.ts';

export interface DicomwebDoor {
  /** DICOMweb root. */
  readonly url: string;
  stop(): void;
}

export async function openDicomwebDoor(
  routers: readonly RequestHandler[],
  log: Logger = silentLog,
): Promise<DicomwebDoor> {
  const app = express();
  app.set('query parser', 'simple');
  app.set('etag', false);
  app.use('/dicom-web', ...routers);
  app.use(problemHandler(log));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/dicom-web`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
