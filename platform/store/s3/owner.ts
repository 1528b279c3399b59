/**
 * Whose the bucket is. What lies below a prefix belongs to one ledger: another one does not know it, and would remove
 * what it takes for left over, or write under names that it takes for new. An object below the prefix names the ledger;
 * it is made on the condition that there is none, and compared before anything is written or removed.
 */
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { HubError } from '../../../core/errors.ts';
import type { StoreClaimant, StoreOwner, StoreOwnership } from '../owner.ts';
import type { Bucket } from './client.ts';
import { mayBeThereAlready, refusal } from './refusal.ts';

/** Beside `spool/` and `results/`. */
const MARK = 'owner.json';
/** Long enough for any name in it. */
const MARK_BYTES = 4096;
/** How long an answer is good for: who takes a bucket over has had the hubs of the ledger before stopped. */
const FRESH_MS = 60_000;

const owner = z.looseObject({ ledger: z.string().min(1), node: z.string(), since: z.string() });

/** @param claimant - absent: for who only reads; then nothing is ever claimed, and `check` finds no fault */
export function openOwnership(bucket: Bucket, claimant: StoreClaimant | undefined): StoreOwnership {
  const object = { Bucket: bucket.name, Key: bucket.key(MARK) };
  let checkedMs = -Infinity;
  let checking: Promise<void> | undefined;

  const read = async (signal?: AbortSignal): Promise<StoreOwner | undefined> => {
    try {
      const { Body } = await bucket.client.send(
        new GetObjectCommand({ ...object, Range: `bytes=0-${String(MARK_BYTES - 1)}` }),
        signalOf(signal),
      );
      return parse((await Body?.transformToString()) ?? '');
    } catch (error) {
      const failure = refusal(error, { object: MARK });
      if (failure.code === 'store.missing') return undefined;
      throw failure;
    }
  };
  const make = async (mark: StoreOwner, signal?: AbortSignal): Promise<void> => {
    const Body = `${JSON.stringify(mark)}\n`;
    const put = new PutObjectCommand({ ...object, Body, ContentType: 'application/json', IfNoneMatch: '*' });
    try {
      await bucket.client.send(put, signalOf(signal));
    } catch (error) {
      if (!mayBeThereAlready(error)) throw refusal(error, { object: MARK });
    }
  };
  const check = async (signal?: AbortSignal): Promise<void> => {
    if (claimant === undefined) return;
    const ledger = await claimant.ledgerId();
    let found = await read(signal);
    if (found === undefined) {
      await make({ ledger, node: claimant.node, since: new Date().toISOString() }, signal);
      // Of two that began at once, or on a server that knows no conditions, the one that is read now has it.
      found = await read(signal);
    }
    if (found?.ledger !== ledger) {
      checkedMs = -Infinity;
      throw new HubError('store.foreign', { bucket: bucket.name, object: object.Key, ...found });
    }
    checkedMs = performance.now();
  };
  return {
    check,
    async require() {
      if (claimant === undefined || performance.now() - checkedMs < FRESH_MS) return;
      checking ??= check().finally(() => (checking = undefined));
      await checking;
    },
    async giveUp() {
      const found = await read();
      if (found === undefined) return undefined;
      try {
        await bucket.client.send(new DeleteObjectCommand(object));
      } catch (error) {
        throw refusal(error, { object: MARK });
      }
      return found;
    },
  };
}

/** Something that no hub has written is somebody's too. */
function parse(text: string): StoreOwner {
  try {
    return owner.parse(JSON.parse(text));
  } catch {
    return { ledger: 'unknown', node: 'unknown', since: 'unknown' };
  }
}

function signalOf(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
