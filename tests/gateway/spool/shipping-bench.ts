/** A spool with records in it and a store that tests hold up, break and look into. */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { HubError, type ErrorCode } from '../../../core/errors.ts';
import type { LogFields, Logger } from '../../../core/ports.ts';
import type { PackEntry, PackShelf, PackUploads } from '../../../core/store.ts';
import { digesterHere } from '../../../gateway/spool/digester.ts';
import { openSpoolFolder, type SpoolFiles } from '../../../gateway/spool/files.ts';
import type { SpooledRecord } from '../../../gateway/spool/recovery.ts';
import { Shipping, type ShippingOptions } from '../../../gateway/spool/shipping.ts';
import { openSpool, type Spool } from '../../../gateway/spool/spool.ts';
import { newUid } from '../../support/mr-instance.ts';
import { silentLog } from '../../support/silent-log.ts';

/** Packs in memory; each upload may be held or refused. */
export class HeldStore implements PackUploads, Pick<PackShelf, 'list' | 'remove'> {
  readonly packs = new Map<string, Buffer>();
  /** Names that an upload was begun with. */
  readonly begun: string[] = [];
  readonly removed: string[] = [];
  /** How many uploads fail before one succeeds. */
  failures = 0;
  /** Why they fail. */
  failsWith: ErrorCode = 'store.unreachable';
  isHeld = false;
  readonly #held = new Map<string, () => void>();

  async upload(
    pack: string,
    sizeBytes: number,
    body: () => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> {
    this.begun.push(pack);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body()) chunks.push(chunk);
    if (this.isHeld) {
      await new Promise<void>((resolve) => {
        this.#held.set(pack, resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    if (signal.aborted || (this.failures -= 1) >= 0) throw new HubError(this.failsWith, { pack });
    const bytes = Buffer.concat(chunks);
    if (bytes.length !== sizeBytes) throw new Error(`${String(bytes.length)} bytes instead of ${String(sizeBytes)}`);
    this.packs.set(pack, bytes);
  }

  get underWay(): number {
    return this.#held.size;
  }

  /** Lets the upload that began as the nth one end. */
  release(nth: number): void {
    const pack = this.begun[nth] ?? '';
    this.#held.get(pack)?.();
    this.#held.delete(pack);
  }

  async *list(prefix: string): AsyncGenerator<PackEntry> {
    for (const [pack, { length }] of [...this.packs].toSorted(([one], [other]) => (one < other ? -1 : 1))) {
      if (pack.startsWith(prefix)) yield await Promise.resolve({ pack, sizeBytes: length, madeAt: new Date(0) });
    }
  }

  remove(pack: string): Promise<void> {
    this.removed.push(pack);
    this.packs.delete(pack);
    return Promise.resolve();
  }
}

export interface Bench {
  readonly store: HeldStore;
  readonly files: SpoolFiles;
  readonly spool: Spool;
  readonly shipping: Shipping;
  readonly said: { readonly level: string; readonly message: string; readonly fields: LogFields }[];
  /** What was shipped, in the order it was told. */
  readonly told: SpooledRecord[];
  /** Makes a record durable. */
  readonly receive: (sizeBytes: number) => Promise<SpooledRecord>;
  readonly ship: (record: SpooledRecord) => void;
}

export async function openBench(
  folder: string,
  { segmentBytes = 64_000_000, ...over }: Partial<ShippingOptions> & { readonly segmentBytes?: number } = {},
): Promise<Bench> {
  const files = await openSpoolFolder(join(folder, 'spool'));
  const { spool } = await openSpool(
    files,
    [],
    {
      disk: { maxUsedFraction: 1, minFreeBytes: 0 },
      segmentBytes,
      maxInFlightBytes: 64_000_000,
      maxObjectBytes: 64_000_000,
    },
    silentLog,
  );
  const store = new HeldStore();
  const said: Bench['said'] = [];
  const told: SpooledRecord[] = [];
  const say =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void said.push({ level, message, fields });
  const log: Logger = { ...silentLog, error: say('error'), warn: say('warn') };
  const shipping = new Shipping(
    { uploads: store, files, digester: digesterHere(files), log, clock: { now: () => new Date() } },
    { node: 'hub-0', uploads: 3, lingerMs: 10, ...over },
    new Map(),
  );
  return {
    ...{ store, files, spool, shipping, said, told },
    receive: async (sizeBytes) => {
      const dataSet = Buffer.alloc(sizeBytes, newUid());
      const reception = spool.receive(Buffer.from('the file meta information'));
      for (let at = 0; at < dataSet.length; at += 100_000) {
        if (!reception.push(dataSet.subarray(at, at + 100_000))) await reception.room();
      }
      await reception.finish();
      const description = {
        kind: 'instance',
        provenance: { door: 'dimse', source: 'pv-7t', associationId: 'a' },
        receivedAt: new Date().toISOString(),
        dataSetCrc32: crc32(dataSet),
        studyInstanceUid: newUid(),
        seriesInstanceUid: newUid(),
        sopInstanceUid: newUid(),
        sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
        transferSyntaxUid: '1.2.840.10008.1.2.1',
        patientDigest: 'p',
      } as const;
      return { ...(await reception.commit(description)), description };
    },
    ship: (record) => shipping.add(record, (shipped) => told.push(shipped)),
  };
}
