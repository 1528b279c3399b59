/** A STOW-RS origin server that keeps the count of what it was sent: each SOP Instance UID with the digest of each copy. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseDataSet } from '../../core/dicom/data-set.ts';
import { dataSetDigest } from './crash-samples.ts';

export interface OriginServer {
  readonly url: string;
  readonly port: number;
  /** Digests of the data sets that came under each SOP Instance UID, in the order they came. */
  readonly copies: ReadonlyMap<string, readonly string[]>;
  close(): Promise<void>;
}

export interface OriginOptions {
  readonly port?: number;
  /** Status to answer each request with instead of storing it. */
  readonly refuseWith?: number;
}

export async function startOrigin(options: OriginOptions = {}): Promise<OriginServer> {
  const copies = new Map<string, string[]>();
  const server = createServer((request, response) => {
    void bodyOf(request)
      .then((body) => {
        if (options.refuseWith !== undefined) {
          response.writeHead(options.refuseWith).end();
          return;
        }
        const boundary = /boundary="?([^";]+)/.exec(request.headers['content-type'] ?? '')?.[1] ?? '';
        const stored = partsOf(body, boundary).map((part) => {
          const uids = uidsOf(part);
          copies.set(uids.sopInstanceUid, [...(copies.get(uids.sopInstanceUid) ?? []), dataSetDigest(part)]);
          return uids;
        });
        response.writeHead(200, { 'Content-Type': 'application/dicom+json' });
        response.end(JSON.stringify(answerFor(stored)));
      })
      .catch((error: unknown) => {
        // Cut off: the hub was killed while it sent, there is nobody to answer. A message that cannot be read is refused.
        if (request.complete) response.writeHead(400).end(String(error));
        else response.destroy();
      });
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/dicom-web`,
    port,
    copies,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Uids {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

function answerFor(stored: readonly Uids[]): unknown {
  const items = stored.map(({ sopClassUid, sopInstanceUid }) => ({
    '00081150': { vr: 'UI', Value: [sopClassUid] },
    '00081155': { vr: 'UI', Value: [sopInstanceUid] },
  }));
  return { '00081199': { vr: 'SQ', Value: items } };
}

/** Bodies of a multipart message (RFC 2046 Section 5.1.1). @throws {Error} when it has no closing delimiter */
function partsOf(body: Buffer, boundary: string): readonly Buffer[] {
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: Buffer[] = [];
  let at = body.indexOf(delimiter);
  for (;;) {
    const next = body.indexOf(Buffer.concat([Buffer.from('\r\n'), delimiter]), at + delimiter.length);
    if (at < 0 || next < 0) break;
    const headersEnd = body.indexOf('\r\n\r\n', at);
    parts.push(body.subarray(headersEnd + 4, next));
    at = next + 2;
  }
  if (at < 0 || !body.subarray(at).toString('latin1').startsWith(`--${boundary}--`)) throw new Error('cut off');
  return parts;
}

function uidsOf(part10: Buffer): Uids {
  const groupLength = part10.readUInt32LE(140);
  const dataSet = parseDataSet(part10.subarray(144 + groupLength), '1.2.840.10008.1.2.1', { stopAtPixelData: true });
  return {
    sopClassUid: dataSet.string('SOPClassUID') ?? '',
    sopInstanceUid: dataSet.string('SOPInstanceUID') ?? '',
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
