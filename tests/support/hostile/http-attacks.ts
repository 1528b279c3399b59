/** What hostile peers do at the HTTP door and in a watched folder, and how the hub has to end each of them. */
import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileMeta } from '../../../core/dicom/part10.ts';
import type { HubProcess } from '../hub-process.ts';
import { mrInstance } from '../mr-instance.ts';
import { EXPLICIT, MR } from '../raw-association.ts';
import { waitFor } from '../wait-for.ts';
import { zipArchive } from '../zip-archive.ts';
import { deflatedInstance, gzipBomb, LYING_LENGTHS, manyElements, nested, type Hostile } from './bombs.ts';
import type { Attack } from './dimse-attacks.ts';
import { HostilePeer } from './peer.ts';

const DEFLATED = '1.2.840.10008.1.2.1.99';
const IDLE_CONNECTIONS = 500;
const BOMB_PATIENCE_MS = 60_000;
/** Node looks every 30 s for headers that took 30 s; a body has 30 s, looked at every few; silence has 120 s. */
const SLOW_PATIENCE_MS = 150_000;
const JSON_TYPE = 'application/dicom+json';

/** The folder that the hub under attack watches. */
export const watchedFolder = (hub: HubProcess): string => join(hub.folder, 'watched');

export const HTTP_ATTACKS: readonly Attack[] = [
  {
    name: '500 connections that ask for nothing',
    ends: /^all closed$/,
    isSlow: true,
    carryOut: async (hub) => {
      const peers: HostilePeer[] = [];
      for (let n = 0; n < IDLE_CONNECTIONS; n += 1) peers.push(await HostilePeer.connect(hub.httpPort));
      await Promise.all(peers.map(async (peer) => peer.untilClosed(SLOW_PATIENCE_MS)));
      return 'all closed';
    },
  },
  dripped('the headers of a request', head({}), 20),
  dripped('the body of a store request', Buffer.concat([head({ length: 1e6 }), part(mrInstance({}, 32))]), 600),
  dripped(
    'chunks of a store request',
    Buffer.concat([head({ isChunked: true }), Buffer.from('1\r\n-\r\n'.repeat(300))]),
    300,
  ),
  dripped(
    'a JSON request of the API',
    Buffer.concat([
      head({ path: '/api/v1/tokens', type: 'application/json', length: 1_000 }),
      Buffer.from('{'.padEnd(500)),
    ]),
    250,
    // Told before it has said who it is.
    /^401$/,
  ),
  {
    name: 'a peer that never reads, after 2,000 requests',
    ends: /^hung up$/,
    isSlow: true,
    carryOut: async (hub) => {
      const peer = await HostilePeer.connect(hub.httpPort);
      peer.stopReading();
      const request = Buffer.from('GET /schemas HTTP/1.1\r\nHost: hub\r\n\r\n');
      void peer.stream(Array.from({ length: 2_000 }, () => request));
      const until = performance.now() + SLOW_PATIENCE_MS;
      while (!peer.isClosed) {
        if (performance.now() > until) throw new Error('the hub holds on to it');
        await delay(500);
        // Silence would be its own end; it asks again, now and then, and a reset is the answer.
        if (performance.now() > until - 20_000) peer.send(request);
      }
      return 'hung up';
    },
  },
  posts(
    'a body of 4 GB that does not come',
    { length: 0xffffffff },
    part(mrInstance({}, 8)),
    /^(?:nothing|400)$/,
    'end',
  ),
  posts(
    'a chunk of 4 GB that does not come',
    { isChunked: true },
    Buffer.from('FFFFFFFF\r\n--b\r\n'),
    /^(?:nothing|400)$/,
    'end',
  ),
  posts('a chunk size that overflows', { isChunked: true }, Buffer.from('FFFFFFFFFFFFFFFFF\r\nx'), early(/^400$/)),
  posts('headers without end', {}, Buffer.alloc(0), early(/^431$/), undefined, `X-Long: ${'x'.repeat(100_000)}`),
  posts(
    'part headers without end',
    { isWhole: true },
    Buffer.from(`--b\r\nX: ${'x'.repeat(200_000)}`),
    early(/^413$|^400$/),
  ),
  posts('gzip that inflates to 640 MB', { encoding: 'gzip', isWhole: true }, gzipBomb(), early(/^415$/)),
  posts(
    'gzip that inflates to 640 MB, at the API',
    { encoding: 'gzip', isWhole: true, path: '/api/v1/tokens', type: 'application/json' },
    gzipBomb(),
    early(/^(?:401|413)$/),
  ),
  ...Object.entries(LYING_LENGTHS).map(([where, make]) => stores(`4 GB as the length of ${where}`, make, /^409$/)),
  stores('sequences 10,000 deep', () => nested(10_000), /^409$/),
  stores('a header of 1,000,000 elements', () => manyElements(1_000_000), /^200$/),
  stores('10 MB that inflate to 10 GB', deflatedInstance, /^409$/, DEFLATED),
  json(
    '20 million empty values',
    () => Buffer.concat([Buffer.from('['), Buffer.alloc(60e6, '[],'), Buffer.from('[]]')]),
    /^400$/,
  ),
  json(
    '10 million arrays in one another',
    () => Buffer.from(`${'['.repeat(10e6)}${']'.repeat(10e6)}`),
    /^4(?:00|09|13)$/,
  ),
  json('data sets 10,000 deep', () => deepJson(10_000), /^4(?:00|09|13)$/),
  json('an element of a million names', () => manyNames(1_000_000), /^4(?:00|09|13)$/),
  json(
    'a text of 60 MB',
    () => Buffer.from(JSON.stringify([{ '00081030': { vr: 'LO', Value: ['x'.repeat(60e6)] } }])),
    /^4(?:00|09|13)$/,
  ),
  json('nothing but blanks, 100 MB of them', () => Buffer.alloc(100e6, ' '), /^400$/),
  {
    name: 'a zip archive that says how large it is',
    ends: /^code: archive\.too-large$/m,
    carryOut: async (hub) => dropped(hub, zipArchive([{ name: 'a.dcm', content: new Uint8Array(80e6) }])),
  },
  {
    name: 'a zip archive that lies about how large it is',
    ends: /^code: archive\.\w/m,
    carryOut: async (hub) =>
      dropped(hub, zipArchive([{ name: 'a.dcm', content: new Uint8Array(80e6), inflatedBytes: 1_000 }])),
  },
];

interface Head {
  readonly path?: string;
  readonly type?: string;
  readonly encoding?: string;
  readonly length?: number;
  readonly isChunked?: boolean;
  /** The length is that of the body. */
  readonly isWhole?: boolean;
}

function head({ path = '/dicom-web/studies', type, encoding, length, isChunked = false }: Head, more?: string): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Content-Type: ${type ?? 'multipart/related; type="application/dicom"; boundary=b'}`,
    'Connection: close',
    ...(encoding === undefined ? [] : [`Content-Encoding: ${encoding}`]),
    ...(isChunked ? ['Transfer-Encoding: chunked'] : []),
    ...(length === undefined ? [] : [`Content-Length: ${length}`]),
    ...(more === undefined ? [] : [more]),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

function part({ part10 }: { readonly part10: Uint8Array }): Buffer {
  return Buffer.concat([Buffer.from('--b\r\nContent-Type: application/dicom\r\n\r\n'), part10, Buffer.from('\r\n')]);
}

function dripped(what: string, bytes: Buffer, fast: number, ends = /^408$/): Attack {
  return {
    name: `${what}, a byte a second`,
    ends,
    isSlow: true,
    carryOut: async (hub) => {
      const peer = await HostilePeer.connect(hub.httpPort);
      peer.send(bytes.subarray(0, fast));
      const dripping = peer.drip(bytes.subarray(fast));
      await peer.untilClosed(SLOW_PATIENCE_MS);
      await dripping;
      return statusIn(peer);
    },
  };
}

/** As one of these; or by a reset that overtakes the answer: it is refused before it is read, and its sender still sends. */
function early(status: RegExp): RegExp {
  return new RegExp(`${status.source}|^nothing$`);
}

function posts(name: string, headers: Head, body: Buffer, ends: RegExp, then?: 'end', more?: string): Attack {
  return {
    name,
    ends,
    carryOut: async (hub) => {
      const peer = await HostilePeer.connect(hub.httpPort);
      const length = headers.isWhole === true ? { length: body.length } : {};
      const sending = peer.stream([head({ ...headers, ...length }, more), body]);
      if (then === 'end') {
        await sending;
        peer.end();
      }
      await peer.untilClosed(BOMB_PATIENCE_MS);
      await sending;
      return statusIn(peer);
    },
  };
}

function stores(name: string, make: () => Hostile, ends: RegExp, transferSyntaxUid = EXPLICIT): Attack {
  return {
    name,
    ends,
    carryOut: async (hub) => {
      const { sopInstanceUid, dataSet } = make();
      const part10 = Buffer.concat([fileMeta({ sopClassUid: MR, sopInstanceUid, transferSyntaxUid }), dataSet]);
      const body = Buffer.concat([part({ part10 }), Buffer.from('--b--\r\n')]);
      return posts(name, { isWhole: true }, body, ends).carryOut(hub);
    },
  };
}

function json(name: string, make: () => Buffer, ends: RegExp): Attack {
  return {
    name: `JSON: ${name}`,
    ends: early(ends),
    carryOut: async (hub) => posts(name, { isWhole: true, type: JSON_TYPE }, make(), ends).carryOut(hub),
  };
}

function deepJson(depth: number): Buffer {
  return Buffer.from(`${'{"0040A730":{"vr":"SQ","Value":['.repeat(depth)}${']}}'.repeat(depth)}`);
}

function manyNames(count: number): Buffer {
  const names = Array.from(
    { length: count },
    (_, n) => `"${(0x00290000 + n).toString(16).padStart(8, '0')}":{"vr":"UN"}`,
  );
  return Buffer.from(`{${names.join(',')}}`);
}

/** @returns the note beside it, which says why it is not taken */
async function dropped(hub: HubProcess, bytes: Buffer): Promise<string> {
  const file = join(watchedFolder(hub), `${randomUUID()}.zip`);
  await writeFile(`${file}.part`, bytes);
  await rename(`${file}.part`, file);
  return waitFor(
    'the note beside the archive',
    async () => {
      const note = await readFile(`${file}.error`, 'utf8').catch(() => '');
      return note.includes('code:') ? note : undefined;
    },
    BOMB_PATIENCE_MS,
  );
}

function statusIn(peer: HostilePeer): string {
  return /^HTTP\/1\.1 (\d{3}) /.exec(peer.said.toString('latin1'))?.[1] ?? 'nothing';
}
