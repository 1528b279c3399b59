/** Releases studies and takes back what partners made of them, as the two processors do, in memory. */
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { readDataSet } from '../../core/dicom/part10.ts';
import type { Part10Header } from '../../core/dicom/part10.ts';
import {
  CROSSWALK_KINDS,
  type CrosswalkAnswer,
  type CrosswalkHit,
  type CrosswalkLedger,
  type CrosswalkPart,
} from '../../core/ledger/crosswalk.ts';
import type { ProcessorResult } from '../../core/plugins.ts';
import { returnedUids } from '../../core/returned-uids.ts';
import { type BlobRef, formatBlobRef, type InstanceItem } from '../../core/store.ts';
import { crosswalkCodec } from '../../processors/crosswalk/codec.ts';
import { partsOfRelease } from '../../processors/crosswalk/parts.ts';
import { Mapped } from '../../processors/deidentify/mapped.ts';
import { compilePlan } from '../../processors/deidentify/plan.ts';
import { policySchema } from '../../processors/deidentify/policy.ts';
import { deidentifyInstances, recipientOf } from '../../processors/deidentify/study.ts';
import { reidentify } from '../../processors/reidentify/index.ts';
import { run as runReidentify } from '../../processors/reidentify/step.ts';
import { KEY } from './deidentified.ts';
import { silentLog } from './silent-log.ts';

const CROSSWALK_KEY = new Uint8Array(32).fill(7);

/** A crosswalk as the ledger keeps it. */
class MemoryCrosswalk implements CrosswalkLedger {
  readonly parts: CrosswalkPart[] = [];
  /** SOP and Series Instance UIDs that doors have taken. */
  readonly taken = new Set<string>();

  add(parts: readonly CrosswalkPart[]): void {
    for (const part of parts) if (!this.parts.some(({ partKey }) => partKey === part.partKey)) this.parts.push(part);
  }

  async find(uidKeys: readonly string[]): Promise<CrosswalkAnswer> {
    const wanted = new Set(uidKeys);
    const hits = this.parts
      .flatMap(({ keys }, part) =>
        keys.flatMap(({ kind, uidKeys: of }) =>
          of.filter((key) => wanted.has(key)).map((uidKey): CrosswalkHit => ({ uidKey, kind, part })),
        ),
      )
      .toSorted((a, b) => CROSSWALK_KINDS.indexOf(a.kind) - CROSSWALK_KINDS.indexOf(b.kind) || b.part - a.part);
    const numbers = [...new Set(hits.map(({ part }) => part))];
    return Promise.resolve({
      hits,
      parts: numbers.flatMap((part) => {
        const found = this.parts[part];
        return found === undefined ? [] : [{ part, partKey: found.partKey, sealed: found.sealed }];
      }),
    });
  }

  async received(uids: readonly string[]): Promise<readonly string[]> {
    return Promise.resolve(uids.filter((uid) => this.taken.has(uid)));
  }
}

export interface Released {
  readonly files: readonly Uint8Array[];
  readonly headers: readonly Part10Header[];
}

type PolicyEntry = Readonly<Record<string, unknown>>;

/** One hub: releases to partners, and takes back. */
export class HubInMemory {
  readonly crosswalk = new MemoryCrosswalk();
  readonly #policies: PolicyEntry[] = [];

  /** @param isRecorded - false: as if somebody else had done it with the same key */
  async release(files: readonly Uint8Array[], policy: PolicyEntry = {}, isRecorded = true): Promise<Released> {
    const entry = { name: 'kct', profile: 'basic', partner: 'kct', ...policy };
    this.#policies.push(entry);
    const plan = compilePlan(policySchema.parse(entry));
    const mapped = new Mapped();
    const study = await deidentifyInstances(
      files.map((file, index) => ({ sopInstanceUid: String(index), open: async () => bytesAsSource(file) })),
      {
        plan,
        secret: KEY,
        mapped,
        signal: new AbortController().signal,
        write: async ({ body }) => bytesOf(body),
      },
    );
    if (study.outcome === 'held') throw new Error(`held: ${study.detail}`);
    if (isRecorded) {
      const codec = crosswalkCodec(CROSSWALK_KEY, recipientOf(plan));
      const instances = study.instances.map(({ instance }) => instance);
      for (const file of files) {
        const { dataSet } = await readDataSet(bytesAsSource(file));
        for (const keyword of ['SOPInstanceUID', 'SeriesInstanceUID'])
          this.crosswalk.taken.add(dataSet.string(keyword) ?? '');
      }
      this.crosswalk.add(partsOfRelease(codec, plan, mapped, instances));
    }
    const written = study.instances.map(({ written: bytes }) => bytes);
    return { files: written, headers: await Promise.all(written.map((file) => readDataSet(bytesAsSource(file)))) };
  }

  /** @param through - the partner whose door it came through */
  async takeBack(
    files: readonly Uint8Array[],
    { partner = 'kct', through = partner }: { readonly partner?: string; readonly through?: string } = {},
  ): Promise<{
    readonly result: ProcessorResult;
    readonly files: readonly Uint8Array[];
    readonly headers: readonly Part10Header[];
  }> {
    const names = returnedUids(CROSSWALK_KEY);
    const sources = new Map<string, Uint8Array>();
    const items: InstanceItem[] = [];
    for (const [index, file] of files.entries()) {
      const { dataSet, transferSyntaxUid } = await readDataSet(bytesAsSource(file));
      const blob = formatBlobRef(`in/${String(index)}`, 0, file.length);
      sources.set(blob, file);
      const name = (keyword: string) => names.of(through, dataSet.string(keyword) ?? '');
      items.push({
        kind: 'instance',
        blob,
        sizeBytes: file.length,
        sha256: '0'.repeat(64),
        studyInstanceUid: name('StudyInstanceUID'),
        seriesInstanceUid: name('SeriesInstanceUID'),
        sopInstanceUid: name('SOPInstanceUID'),
        sopClassUid: dataSet.string('SOPClassUID') ?? '',
        transferSyntaxUid,
      });
    }
    const written: Uint8Array[] = [];
    const policies = this.#policies.map((entry) => policySchema.parse(entry));
    const result = await runReidentify({
      options: reidentify.resolve(partner, { policies, models: [] }),
      runId: '0198f3a0-0000-7000-8000-000000000001',
      route: 'returned',
      studyInstanceUid: items[0]?.studyInstanceUid ?? '',
      revision: 1,
      items,
      crosswalk: this.crosswalk,
      store: {
        open: async (ref: BlobRef) => bytesAsSource(sources.get(ref) ?? new Uint8Array(0)),
        createPack: () => Promise.reject(new TypeError('the runner does this')),
      },
      pack: {
        append: async (body) => {
          const bytes = body instanceof Uint8Array ? body : await bytesOf(body);
          written.push(bytes);
          return {
            blob: formatBlobRef(`out/${String(written.length)}`, 0, bytes.length),
            sizeBytes: bytes.length,
            sha256: '0'.repeat(64),
          };
        },
        commit: () => Promise.reject(new TypeError('the runner does this')),
        abort: async () => undefined,
      },
      secret: async (purpose) => Promise.resolve(purpose === 'deidentify' ? KEY : CROSSWALK_KEY),
      log: silentLog,
      signal: new AbortController().signal,
      progress: () => undefined,
    });
    if (result.outcome === 'held') return { result, files: [], headers: [] };
    this.crosswalk.add(result.crosswalk ?? []);
    return {
      result,
      files: written,
      headers: await Promise.all(written.map((file) => readDataSet(bytesAsSource(file)))),
    };
  }
}

async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
