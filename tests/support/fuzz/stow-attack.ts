/** Mutated STOW-RS requests against the HTTP door. */
import { mrInstance, newUid } from '../mr-instance.ts';
import type { HubProcess } from '../hub-process.ts';
import { integer, pick, type Random } from '../seeded.ts';
import { say } from './attack.ts';
import { mutate } from './mutations.ts';

/** PS3.18 Section 10.5.3, and what HTTP itself has for requests that are none. */
const ALLOWED = new Set([200, 202, 400, 401, 404, 405, 406, 408, 409, 411, 413, 414, 415, 417, 429, 431, 501, 505]);

/** Bodies that promise more than comes are given up then. */
const PATIENCE_MS = 300;

/** @returns the status the hub gave. @throws {Error} for a status that blames the hub */
export async function attackStow(hub: HubProcess, random: Random): Promise<string> {
  const boundary = 'b0undary';
  const parts = Array.from({ length: 1 + integer(random, 3) }, () => part(boundary, random));
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  const hurt = random() < 0.8 ? mutate(body, random) : { bytes: body, how: 'nothing in the body' };
  const length = random() < 0.9 ? hurt.bytes.length : integer(random, 100_000);
  const head = Buffer.from(
    [
      `POST /dicom-web/studies${random() < 0.2 ? `/${newUid()}` : ''} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Content-Type: multipart/related; type="${pick(random, ['application/dicom', 'application/dicom+json'])}"; boundary=${boundary}`,
      'Accept: application/dicom+json',
      'Connection: close',
      random() < 0.9 ? `Content-Length: ${length}` : 'Transfer-Encoding: chunked',
      '',
      '',
    ].join('\r\n'),
  );
  const sent = Buffer.concat([random() < 0.2 ? mutate(head, random).bytes : head, hurt.bytes]);
  const said = (await say(hub.httpPort, sent, random, PATIENCE_MS)).toString('latin1');
  if (said === '') return 'nothing to say';
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(said)?.[1]);
  if (!ALLOWED.has(status)) throw new Error(`status ${status} after ${hurt.how}: ${said.slice(0, 500)}`);
  return String(status);
}

function part(boundary: string, random: Random): Buffer {
  const { part10 } = mrInstance(random() < 0.1 ? { PatientID: undefined } : {}, 8);
  const bytes = random() < 0.3 ? mutate(Buffer.from(part10), random).bytes : part10;
  return Buffer.concat([
    Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ]);
}
