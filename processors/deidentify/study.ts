/**
 * A study is released whole or held whole: every instance is de-identified and proven before anything counts as done.
 * The processor and `hub deidentify` both call this.
 */
import { createHash } from 'node:crypto';
import { HubError } from '../../core/errors.ts';
import type { ByteSource } from '../../core/store.ts';
import { compileLookups } from './compiled-plan.ts';
import { deidentifyInstance } from './instance.ts';
import type { HeldInstance, OriginalIdentity, ReleasedInstance } from './instance.ts';
import type { Mapped } from './mapped.ts';
import { createPixelCleaner } from './pixels/cleaner.ts';
import type { PixelCleaner } from './pixels/cleaning.ts';
import { PixelSums } from './pixels/pixel-sums.ts';
import type { Plan } from './plan.ts';
import { createPseudonyms } from './pseudonyms.ts';
import { memoryOf } from './study-memory.ts';
import { Tally } from './tally.ts';

export interface StudyInstance {
  /** Of the original, as far as it is known; for the list of what is held. */
  readonly sopInstanceUid: string;
  readonly open: () => Promise<ByteSource>;
}

export interface StudyOptions<Written> {
  readonly plan: Plan;
  /** 32 secret bytes, the same on every start. */
  readonly secret: Uint8Array;
  /**
   * Takes one de-identified instance; `body` must be read to its end, and what was read is good until it is written.
   * Called in order, one at a time.
   */
  write(instance: ReleasedInstance): Promise<Written>;
  /** What was written of an instance counts no more: it is written again, with less in it. */
  discard?(written: Written): Promise<void>;
  /** Told what got new names. */
  readonly mapped?: Mapped;
  readonly signal: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** Without its bytes: a study has thousands. */
export type WrittenInstance = Omit<ReleasedInstance, 'body' | 'isPixelDataEqual'>;

export type StudyOutcome<Written> = ReleasedStudy<Written> | HeldStudy;

export interface ReleasedStudy<Written> {
  readonly outcome: 'released';
  readonly studyInstanceUid: string;
  readonly instances: readonly { readonly instance: WrittenInstance; readonly written: Written }[];
  readonly tally: Tally;
  readonly searchedBytes: number;
  readonly pixels: PixelSums;
}

export interface HeldStudy {
  readonly outcome: 'held';
  /** An error code: `policy.unsafe`, `dataset.patient-mismatch`, `dataset.unreadable` and their kin. */
  readonly reason: string;
  /** Fixed words. What was written before the reason was found must be thrown away. */
  readonly detail: string;
  readonly instances: readonly { readonly sopInstanceUid: string; readonly reason: string }[];
}

/**
 * De-identifies the instances of one study.
 *
 * @throws {HubError} `config.invalid` for another key than the policy's; when the store fails or the signal fires; content that is wrong is an outcome, not an error
 */
export async function deidentifyInstances<Written>(
  instances: readonly StudyInstance[],
  options: StudyOptions<Written>,
): Promise<StudyOutcome<Written>> {
  refuseOtherKey(options.plan, options.secret);
  const cleaner = createPixelCleaner(options.plan);
  try {
    await cleaner.survey(instances, options.signal);
    return await releaseAll(instances, options, cleaner);
  } finally {
    await cleaner.close();
  }
}

async function releaseAll<Written>(
  instances: readonly StudyInstance[],
  options: StudyOptions<Written>,
  cleaner: PixelCleaner,
): Promise<StudyOutcome<Written>> {
  const plan = compileLookups(options.plan);
  const pseudonyms = createPseudonyms(options.secret, recipientOf(options.plan), options.mapped);
  const released: { instance: WrittenInstance; written: Written }[] = [];
  const held: { code: string; sopInstanceUid: string; reason: string }[] = [];
  let first: OriginalIdentity | undefined;

  /** @param before - what was written of it, to be replaced where it comes out otherwise now */
  const release = async ({ sopInstanceUid, open }: StudyInstance, before?: (typeof released)[number]) => {
    options.signal.throwIfAborted();
    const source = await open();
    try {
      const hold = (code: string, reason: string) => held.push({ code, sopInstanceUid, reason });
      // Once the study is held, the rest is asked for its reasons only: nothing more is cleaned.
      const cleaning = held.length === 0 ? cleaner : undefined;
      const result = await examine(() => deidentifyInstance(source, plan, pseudonyms, cleaning, options.signal));
      first ??= result.original;
      const mismatch = mismatchOf(first, result.original);
      if (mismatch !== undefined) hold(mismatch, 'another patient or study than the rest');
      else if (result.outcome === 'held') hold(result.code, result.reason);
      else if (held.length === 0) {
        // More was emptied, or it is what was written.
        if (before?.instance.blanked === result.blanked) return before;
        if (before !== undefined) await options.discard?.(before.written);
        const written = await options.write(result);
        if (!(await result.isPixelDataEqual())) hold('policy.unsafe', 'pixel data changed on the way');
        const { body: _, isPixelDataEqual: __, ...instance } = result;
        return { instance, written };
      }
      return undefined;
    } finally {
      await source.close();
    }
  };

  for (const [index, instance] of instances.entries()) {
    const one = await release(instance);
    if (one !== undefined) released.push(one);
    options.onProgress?.(index + 1, instances.length);
  }
  // What instances said that came later was not looked for in those before them.
  const { secrets } = memoryOf(pseudonyms);
  for (const [index, instance] of instances.entries()) {
    const before = released[index];
    if (held.length > 0 || before === undefined) break;
    if (before.instance.searchedFor === secrets.generation) continue;
    released[index] = (await release(instance, before)) ?? before;
  }

  const [worst] = held;
  const [sample] = released;
  if (worst !== undefined) {
    const detail = `${held.length} of ${instances.length} instances cannot be released: ${summaryOf(held)}`;
    return { outcome: 'held', reason: worst.code, detail, instances: held.map(({ code: _, ...rest }) => rest) };
  }
  if (sample === undefined) return { outcome: 'held', reason: 'dataset.empty', detail: 'no instances', instances: [] };
  return {
    outcome: 'released',
    studyInstanceUid: sample.instance.studyInstanceUid,
    instances: released,
    ...sumsOf(released),
  };
}

function sumsOf(
  released: readonly { readonly instance: WrittenInstance }[],
): Pick<ReleasedStudy<unknown>, 'tally' | 'searchedBytes' | 'pixels'> {
  const tally = new Tally();
  const pixels = new PixelSums();
  let searchedBytes = 0;
  for (const { instance } of released) {
    tally.merge(instance.tally);
    pixels.add(instance.pixels);
    searchedBytes += instance.searchedBytes;
  }
  return { tally, searchedBytes, pixels };
}

/** Whose pseudonyms they are: the partner's, else the policy's. */
export function recipientOf({ partner, policy }: Pick<Plan, 'partner' | 'policy'>): string {
  return partner ?? policy;
}

/** An instance whose bytes are no sound DICOM is held like any other; a store that fails is not its fault. */
async function examine(
  work: () => Promise<ReleasedInstance | HeldInstance>,
): Promise<ReleasedInstance | (HeldInstance & { readonly code: string })> {
  try {
    const result = await work();
    return result.outcome === 'held' ? { ...result, code: 'policy.unsafe' } : result;
  } catch (error) {
    if (!(error instanceof HubError) || !error.code.startsWith('dataset.')) throw error;
    return { outcome: 'held', code: error.code, reason: error.row.title.toLowerCase(), original: undefined };
  }
}

/** One ID with two birth dates, or with names that have no part in common, is two people: somebody mistyped an ID. */
function mismatchOf(first: OriginalIdentity | undefined, one: OriginalIdentity | undefined): string | undefined {
  if (first === undefined || one === undefined) return undefined;
  const isOtherBirthDate =
    first.birthDate !== undefined && one.birthDate !== undefined && first.birthDate !== one.birthDate;
  const isOtherName =
    first.nameParts.length > 0 &&
    one.nameParts.length > 0 &&
    !first.nameParts.some((part) => one.nameParts.includes(part));
  if (first.patient !== one.patient || isOtherBirthDate || isOtherName) return 'dataset.patient-mismatch';
  return first.studyInstanceUid === one.studyInstanceUid ? undefined : 'policy.unsafe';
}

/** Under another key every name would be another one: nothing given out before could be joined with it. */
function refuseOtherKey({ policy, keyDigest }: Plan, secret: Uint8Array): void {
  const digest = createHash('sha256').update(secret).digest('hex');
  if (keyDigest !== undefined && keyDigest !== digest)
    throw new HubError('config.invalid', { detail: `policy ${policy}: the key is not the one keyDigest names` });
}

function summaryOf(held: readonly { readonly reason: string }[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of held) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => (count === 1 ? reason : `${reason} (${count})`)).join('; ');
}
