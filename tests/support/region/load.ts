/** Scanners that push study after study at a region's doors, and know of each instance whether they were told Success. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Attributes, encodeDataSet } from '../../../core/dicom/encode.ts';
import { newUid } from '../mr-instance.ts';
import { MR, RawPeer, RELEASE_REQUEST, statusOf, storeRequest } from '../raw-association.ts';

export interface SentStudy {
  readonly studyInstanceUid: string;
  /** SOP Instance UID to the SHA-256 of the data set that was answered with Success. */
  readonly acknowledged: Map<string, string>;
}

export interface Scanner {
  readonly studies: readonly SentStudy[];
  /** Statuses other than Success. */
  readonly refused: readonly string[];
  /** Associations that were refused or ended before their last answer. */
  readonly cutOff: number;
  /** Milliseconds from an instance to its answer, the longest. */
  readonly slowestMs: number;
  /** Finishes the study under way, and no other is begun. */
  stop(): Promise<void>;
}

export interface ScannerOptions {
  readonly calling: string;
  /** Where to send; another one after each association that failed. */
  readonly ports: readonly number[];
  readonly instances: number;
  readonly pixels?: number;
  /** Between two studies. */
  readonly pauseMs?: number;
  /** For what was not acknowledged; an association that fails is tried again until then. */
  readonly patienceMs?: number;
}

const AFTER_FAILURE_MS = 200;

/** Begins at once. */
export function startScanner(options: ScannerOptions): Scanner {
  const { calling, ports, instances, pauseMs = 50, patienceMs = 120_000 } = options;
  const state = { studies: [] as SentStudy[], refused: [] as string[], cutOff: 0, slowestMs: 0 };
  const stopping = new AbortController();
  let door = 0;
  const study = async (): Promise<void> => {
    const studyInstanceUid = newUid();
    const acknowledged = new Map<string, string>();
    state.studies.push({ studyInstanceUid, acknowledged });
    const made = Array.from({ length: instances }, (_, n) => instanceOf(studyInstanceUid, n, options.pixels ?? 64));
    const until = performance.now() + patienceMs;
    // As a scanner does it: what had no Success is sent again, until it has.
    for (;;) {
      const waiting = made.filter(({ sopInstanceUid }) => !acknowledged.has(sopInstanceUid));
      if (waiting.length === 0) return;
      const port = ports[door % ports.length] ?? 0;
      try {
        await associate(port, calling, waiting, acknowledged, state);
      } catch (error) {
        state.cutOff += 1;
        door += 1;
        if (performance.now() > until) throw new Error(`${calling} is not served any more`, { cause: error });
        await delay(AFTER_FAILURE_MS);
      }
    }
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await study();
      await delay(pauseMs);
    }
  };
  const running = run();
  running.catch(() => undefined); // Told by `stop`.
  return Object.assign(state, {
    stop: async () => {
      stopping.abort();
      await running;
    },
  });
}

interface Made {
  readonly sopInstanceUid: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

async function associate(
  port: number,
  calling: string,
  waiting: readonly Made[],
  acknowledged: Map<string, string>,
  state: { readonly refused: string[]; slowestMs: number },
): Promise<void> {
  const peer = await RawPeer.associate(port, { calling });
  try {
    let messageId = 0;
    for (const { sopInstanceUid, bytes, sha256 } of waiting) {
      messageId += 1;
      const sentMs = performance.now();
      peer.send(storeRequest({ sopInstanceUid, messageId }, bytes));
      const status = statusOf(await peer.next());
      state.slowestMs = Math.max(state.slowestMs, performance.now() - sentMs);
      if (status === 0) acknowledged.set(sopInstanceUid, sha256);
      else state.refused.push(`${calling} 0x${status.toString(16)}`);
    }
    peer.send(RELEASE_REQUEST);
    await peer.untilClosed();
  } finally {
    peer.destroy();
  }
}

function instanceOf(studyInstanceUid: string, n: number, edge: number): Made {
  const sopInstanceUid = newUid();
  const value = Buffer.alloc(edge * edge * 2);
  for (let at = 0; at < value.length; at += 2) value.writeUInt16LE((n * 977 + at * 31) & 0x0fff, at);
  value.write(sopInstanceUid.slice(-16), 0, 'latin1'); // No two alike.
  const attributes: Attributes = {
    SOPClassUID: MR,
    SOPInstanceUID: sopInstanceUid,
    StudyDate: '20260914',
    Modality: 'MR',
    Manufacturer: 'Simulated Scanner Works',
    PatientName: 'Region^Rat',
    PatientID: 'REGION-1',
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: `${studyInstanceUid}.1`,
    SeriesNumber: 1,
    InstanceNumber: n + 1,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: edge,
    Columns: edge,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    BurnedInAnnotation: 'NO',
    PixelData: { vr: 'OW', value },
  };
  const bytes = encodeDataSet(attributes);
  return { sopInstanceUid, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}
