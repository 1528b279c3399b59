/** Reads large headers, and inflates deflated ones, where nobody waits for the thread that does it. */
import { parentPort } from 'node:worker_threads';
import { packError, unpackError } from '../../core/packed-error.ts';
import { rangedSource } from '../../core/ranged-source.ts';
import type { ByteSource } from '../../core/store.ts';
import { parseTransferSyntaxUid } from '../../core/identifiers.ts';
import { describe, type Examined } from './describe.ts';
import { inflated } from './inflated.ts';
import type { FromHeaderWorker, ToHeaderWorker } from './wire.ts';

/** Deflated Explicit VR Little Endian, PS3.5 Section A.5. */
const DEFLATED = '1.2.840.10008.1.2.1.99';
/** Fragments of pixel data are looked at eight bytes at a time: as many as this are asked for at once. */
const WINDOW_BYTES = 1024 * 1024;

if (parentPort === null) throw new Error('the header worker is a thread of the gateway');
const owner = parentPort;
let onAnswer: (message: ToHeaderWorker) => void = () => undefined;

owner.on('message', (message: ToHeaderWorker) => {
  if (message.kind === 'object') void answer(message);
  else onAnswer(message);
});

async function answer(object: Extract<ToHeaderWorker, { kind: 'object' }>): Promise<void> {
  try {
    tell({ kind: 'described', examined: await examinedOf(object) });
  } catch (error) {
    tell({ kind: 'refused', error: packError(error) });
  }
}

async function examinedOf({ sizeBytes, deflatedFrom }: Extract<ToHeaderWorker, { kind: 'object' }>): Promise<Examined> {
  const source = windowed(rangedSource(sizeBytes, ask, () => Promise.resolve()));
  if (deflatedFrom === undefined) return describe(source);
  return {
    ...(await describe(await inflated(source, deflatedFrom))),
    transferSyntaxUid: parseTransferSyntaxUid(DEFLATED),
  };
}

async function ask(offset: number, length: number): Promise<Uint8Array> {
  const answered = new Promise<ToHeaderWorker>((resolve) => (onAnswer = resolve));
  tell({ kind: 'read', offset, length });
  const message = await answered;
  if (message.kind === 'bytes') return message.bytes;
  if (message.kind === 'unreadable') throw unpackError(message.error);
  throw new Error('another object came before the one before it was done');
}

/** Small reads are taken from the last large one where they can. */
function windowed(source: ByteSource): ByteSource {
  let window: { readonly offset: number; readonly bytes: Uint8Array } = { offset: 0, bytes: new Uint8Array(0) };
  return {
    ...source,
    read: async (offset, length) => {
      if (length >= WINDOW_BYTES) return source.read(offset, length);
      const isInside = offset >= window.offset && offset + length <= window.offset + window.bytes.length;
      if (!isInside) window = { offset, bytes: await source.read(offset, WINDOW_BYTES) };
      return window.bytes.subarray(offset - window.offset, offset - window.offset + length);
    },
  };
}

function tell(message: FromHeaderWorker): void {
  owner.postMessage(message);
}
