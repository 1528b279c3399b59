/** WADO-RS over a store and instances of a test's own, on a free port, as the hub mounts it behind its authentication. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import type { RequestHandler } from 'express';
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { HubError } from '../../core/errors.ts';
import { formatBlobRef, type BlobRef, type InstanceItem } from '../../core/store.ts';
import { wadoRouter } from '../../gateway/dicomweb/wado.ts';
import { PixelWorkers, type PixelWorkersOptions } from '../../pixels/workers.ts';
import { openFileStore } from '../../platform/store/file.ts';
import { openDicomwebDoor } from './dicomweb-door.ts';
import { silentLog } from './silent-log.ts';

export interface WadoDoor {
  /** DICOMweb root. */
  readonly url: string;
  /** Puts a Part 10 file where it can be retrieved. @returns the URL of the instance */
  add(part10: Uint8Array): Promise<string>;
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** Bytes that were read from the store so far. */
  readonly bytesRead: number;
  /** Instances that are open in the store now. */
  readonly openSources: number;
  stop(): Promise<void>;
}

const PIXEL_WORKER = new URL('../../wiring/pixel-worker.ts', import.meta.url);

export async function startWadoDoor(pool: Partial<PixelWorkersOptions> = {}): Promise<WadoDoor> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hub-wado-'));
  await mkdir(join(dataDir, 'spool'));
  const store = openFileStore(dataDir);
  const workers = new PixelWorkers({ entry: PIXEL_WORKER, ...pool });
  const items: InstanceItem[] = [];
  let bytesRead = 0;
  let openSources = 0;
  const router = wadoRouter({
    instancesOf: (study, series, instance) =>
      Promise.resolve(
        items.filter(
          (item) =>
            item.studyInstanceUid === study &&
            (series === undefined || item.seriesInstanceUid === series) &&
            (instance === undefined || item.sopInstanceUid === instance),
        ),
      ),
    store: {
      createPack: (name) => store.createPack(name),
      open: async (ref: BlobRef) => {
        const source = await store.open(ref);
        openSources++;
        return {
          sizeBytes: source.sizeBytes,
          read: async (offset, length) => {
            bytesRead += length;
            return source.read(offset, length);
          },
          async *stream(offset, length) {
            for await (const chunk of source.stream(offset, length)) {
              bytesRead += chunk.length;
              yield chunk;
            }
          },
          close: () => {
            openSources--;
            return source.close();
          },
        };
      },
    },
    workers,
    log: silentLog,
  });
  const nothing: RequestHandler = () => {
    throw new HubError('resource.not-found');
  };
  const door = await openDicomwebDoor([router, nothing]);
  const { url } = door;
  return {
    url,
    get bytesRead() {
      return bytesRead;
    },
    get openSources() {
      return openSources;
    },
    add: async (part10) => {
      const pack = `spool/${items.length}.segment`;
      await writeFile(join(dataDir, pack), part10);
      const item = await itemOf(part10, formatBlobRef(pack, 0, part10.length));
      items.push(item);
      return `${url}/studies/${item.studyInstanceUid}/series/${item.seriesInstanceUid}/instances/${item.sopInstanceUid}`;
    },
    get: (path, headers = {}) => fetch(path, { headers }),
    stop: async () => {
      door.stop();
      await workers.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function itemOf(part10: Uint8Array, blob: BlobRef): Promise<InstanceItem> {
  const { dataSet, transferSyntaxUid } = await readHeader(bytesAsSource(part10));
  const uid = (keyword: string) => dataSet.string(keyword) ?? '';
  return {
    kind: 'instance',
    studyInstanceUid: uid('StudyInstanceUID'),
    seriesInstanceUid: uid('SeriesInstanceUID'),
    sopInstanceUid: uid('SOPInstanceUID'),
    sopClassUid: uid('SOPClassUID'),
    transferSyntaxUid,
    blob,
    sizeBytes: part10.length,
    sha256: createHash('sha256').update(part10).digest('hex'),
  };
}

/** The parts of a multipart answer. */
export async function partsOf(
  response: Response,
): Promise<readonly { readonly headers: Readonly<Record<string, string>>; readonly body: Buffer }[]> {
  const [, boundary] = /boundary=([^;]+)/.exec(response.headers.get('content-type') ?? '') ?? [];
  if (boundary === undefined) throw new Error(`not multipart: ${response.status} ${await response.text()}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const parts: { headers: Record<string, string>; body: Buffer }[] = [];
  const delimiter = Buffer.from(`--${boundary}`);
  let at = bytes.indexOf(delimiter);
  while (at !== -1) {
    const start = at + delimiter.length;
    if (bytes.toString('latin1', start, start + 2) === '--') return parts;
    const headerEnd = bytes.indexOf('\r\n\r\n', start);
    const next = bytes.indexOf(Buffer.concat([Buffer.from('\r\n'), delimiter]), headerEnd);
    if (next === -1) break;
    const lines = bytes.toString('latin1', start + 2, headerEnd).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    parts.push({ headers, body: bytes.subarray(headerEnd + 4, next) });
    at = next + 2;
  }
  throw new Error('the answer ends before its last boundary');
}
