/** Senders of a hub that is killed under them: they know of each instance whether they were told Success. */
import { createHash } from 'node:crypto';
import { encodeDataSet, encodePart10, type Attributes } from '../../../core/dicom/encode.ts';
import { newUid } from '../mr-instance.ts';
import { MR, RawPeer, RELEASE_REQUEST, statusOf, storeRequest } from '../raw-association.ts';
import { integer, pick, type Random } from '../seeded.ts';

/** What one sender made of its instances. */
export interface Tally {
  /** By SOP Instance UID: SHA-256 of the data set that was answered with Success. */
  readonly acknowledged: Map<string, string>;
  /** Answers that were no Success, of a hub that has no reason for one. */
  readonly refused: string[];
  /** Pushes that a kill ended. */
  cutOff: number;
  /** Instances that were sent again after they had been acknowledged. */
  repeated: number;
}

export interface Sender extends Tally {
  /** Sends its share of one life of the hub, or what of it the hub lives to answer. Never rejects. */
  push(): Promise<void>;
  /** Sends what was never answered, to a hub that lives. */
  finish(): Promise<void>;
}

interface Made {
  readonly sopInstanceUid: string;
  readonly attributes: Attributes;
  readonly sha256: string;
}

const INSTANCES_A_PUSH = 10;
const REQUESTS_A_PUSH = 3;
const PARTS_A_REQUEST = 3;
/** Bytes of pixels: headers alone, slices, and some that take many PDUs. */
const PIXELS = [0, 512, 4_096, 8_192, 8_192, 32_768, 131_072] as const;
const NOISE_BYTES = 1 << 20;

/** Where to send; asked each time, for a hub that is started again. */
export interface Target {
  readonly dimsePort: number;
  readonly url: string;
}

/** One association a push, one instance after the other, the last acknowledged one of the push before once more. */
export function dimseSender(calling: string, target: Target, random: Random): Sender {
  const tally: Tally = { acknowledged: new Map(), refused: [], cutOff: 0, repeated: 0 };
  const factory = instances(random);
  let waiting: readonly Made[] = [];
  let last: Made | undefined;
  const send = async (): Promise<void> => {
    const peer = await RawPeer.associate(target.dimsePort, { calling });
    try {
      const again = last === undefined ? [] : [last];
      let messageId = 0;
      for (const one of [...again, ...waiting]) {
        messageId += 1;
        const { sopInstanceUid } = one;
        peer.send(storeRequest({ sopInstanceUid, messageId }, encodeDataSet(one.attributes)));
        const status = statusOf(await peer.next());
        if (status !== 0) tally.refused.push(`${calling} 0x${status.toString(16)}`);
        if (status !== 0) continue;
        if (tally.acknowledged.has(sopInstanceUid)) tally.repeated += 1;
        tally.acknowledged.set(sopInstanceUid, one.sha256);
        waiting = waiting.filter((each) => each !== one);
        last = one;
      }
      peer.send(RELEASE_REQUEST);
      await peer.untilClosed();
    } finally {
      peer.destroy();
    }
  };
  return Object.assign(tally, {
    push: async () => {
      waiting = [...waiting, ...Array.from({ length: INSTANCES_A_PUSH }, factory)].slice(0, 3 * INSTANCES_A_PUSH);
      await send().catch(() => (tally.cutOff += 1));
    },
    finish: send,
  });
}

/** Requests of a few parts; one that was not answered is sent again as it was, by then in part or as a whole a repeat. */
export function stowSender(target: Target, random: Random): Sender {
  const tally: Tally = { acknowledged: new Map(), refused: [], cutOff: 0, repeated: 0 };
  const factory = instances(random);
  let waiting: readonly (readonly Made[])[] = [];
  const send = async (): Promise<void> => {
    for (const request of waiting) {
      const response = await fetch(`${target.url}/dicom-web/studies`, {
        method: 'POST',
        headers: { 'Content-Type': 'multipart/related; type="application/dicom"; boundary=kills' },
        body: multipart(request),
      });
      const answer = await response.text();
      if (response.status !== 200) tally.refused.push(`STOW-RS ${response.status} ${answer.slice(0, 300)}`);
      if (response.status !== 200) continue;
      for (const { sopInstanceUid, sha256 } of request) tally.acknowledged.set(sopInstanceUid, sha256);
      waiting = waiting.filter((each) => each !== request);
    }
  };
  return Object.assign(tally, {
    push: async () => {
      const made = Array.from({ length: REQUESTS_A_PUSH }, () => Array.from({ length: PARTS_A_REQUEST }, factory));
      waiting = [...waiting, ...made].slice(0, 3 * REQUESTS_A_PUSH);
      await send().catch(() => (tally.cutOff += 1));
    },
    finish: send,
  });
}

function instances(random: Random): () => Made {
  // No two regions of it alike: a shifted or repeated block must show.
  const noise = Uint8Array.from({ length: NOISE_BYTES }, () => integer(random, 256));
  const studyInstanceUid = newUid();
  let made = 0;
  return () => {
    const bytes = pick(random, PIXELS);
    const start = integer(random, NOISE_BYTES - bytes);
    const sopInstanceUid = newUid();
    made += 1;
    const attributes: Attributes = {
      SOPClassUID: MR,
      SOPInstanceUID: sopInstanceUid,
      Modality: 'MR',
      PatientName: 'Killed^Often',
      PatientID: 'KILLED-1',
      // A study of some hundred instances at most, as scanners make them.
      StudyInstanceUID: `${studyInstanceUid}.${Math.floor(made / 200)}`,
      SeriesInstanceUID: `${studyInstanceUid}.${Math.floor(made / 200)}.1`,
      ...(bytes === 0
        ? {}
        : {
            SamplesPerPixel: 1,
            PhotometricInterpretation: 'MONOCHROME2',
            Rows: bytes / 2 / 16,
            Columns: 16,
            BitsAllocated: 16,
            BitsStored: 16,
            HighBit: 15,
            PixelRepresentation: 0,
            PixelData: { vr: 'OW', value: noise.subarray(start, start + bytes) },
          }),
    };
    const sha256 = createHash('sha256').update(encodeDataSet(attributes)).digest('hex');
    return { sopInstanceUid, attributes, sha256 };
  };
}

function multipart(request: readonly Made[]): Buffer {
  const parts = request.flatMap(({ attributes }) => [
    Buffer.from('--kills\r\nContent-Type: application/dicom\r\n\r\n'),
    encodePart10(attributes),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...parts, Buffer.from('--kills--\r\n')]);
}
