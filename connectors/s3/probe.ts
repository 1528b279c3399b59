/** Tries the way to a bucket: name, port, TLS, the bucket itself, a test object there and back. */
import { randomUUID } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { type Diagnosis, fine, skipped, warning, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { ProbeContext } from '../../core/plugins.ts';
import { probeWay, targetOf } from '../probe/web.ts';
import { type Bucket, type BucketOptions, isConflict, openBucket, refusal } from './bucket.ts';

/** @param optionsOf - throws `config.invalid` when a secret cannot be had */
export async function* probeS3(
  given: { readonly bucket: string; readonly region: string; readonly endpoint?: string | undefined },
  optionsOf: () => BucketOptions,
  context: ProbeContext,
): AsyncGenerator<Diagnosis> {
  const options = readOptions(optionsOf);
  if ('verdict' in options) {
    yield options;
    return;
  }
  const url = new URL(given.endpoint ?? `https://s3.${given.region}.amazonaws.com`);
  const target = targetOf(url, { timeoutMs: options.connectTimeoutMs, signal: context.signal });
  const own = { ca: options.ca, caSetting: 'ca of this destination' };
  if ((yield* probeWay(url, target, own)) === undefined) return;
  const bucket = openBucket(options);
  try {
    const found = await askForBucket(bucket, given.region, context.signal);
    yield found;
    if (found.verdict === 'wrong') return;
    if (!context.sendTest) {
      yield skipped('test-object', 'A test object was not written', 'Only with --send-test: it is removed again.');
      return;
    }
    yield* thereAndBack(bucket, context.signal);
  } finally {
    bucket.close();
  }
}

function readOptions(optionsOf: () => BucketOptions): BucketOptions | Diagnosis {
  try {
    return optionsOf();
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'config.invalid') throw error;
    return wrong(
      'secret',
      'Our credentials or the authority cannot be read',
      `${String(error.fields['detail'])}.`,
      "Set the variable or make the file readable in the hub's own environment, which need not be this terminal's.",
    );
  }
}

async function askForBucket(bucket: Bucket, region: string, signal: AbortSignal): Promise<Diagnosis> {
  try {
    await bucket.client.send(new HeadBucketCommand({ Bucket: bucket.name }), { abortSignal: signal });
    return fine('bucket', `The bucket ${bucket.name} is there, and knows us`);
  } catch (error) {
    const what = `The bucket ${bucket.name} cannot be used`;
    // An answer to HEAD has no body: only its status tells.
    const status = error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0;
    switch (status) {
      case 301:
      case 307:
        return wrong('bucket', what, `It is not in the region ${region}.`, 'Correct region of this destination.');
      case 403:
        return wrong(
          'bucket',
          what,
          'The store does not know our access key, or our secret key is wrong, or we may not use this bucket.',
          'Compare credentials with those the store gave out, and have its owner allow s3:ListBucket, s3:GetObject and s3:PutObject.',
        );
      case 404:
        return wrong(
          'bucket',
          what,
          'There is no bucket of this name.',
          'Make it, or correct bucket: the hub makes none.',
        );
      default:
        return failed('bucket', what, error, signal);
    }
  }
}

/** The hub relies on each of these: a conditional create, a checksum, and reading back. */
async function* thereAndBack(bucket: Bucket, signal: AbortSignal): AsyncGenerator<Diagnosis> {
  const object = bucket.object(`hub-doctor-test/${randomUUID()}`);
  const body = Buffer.from('Connection test of an imaging hub: may be deleted.\n');
  const create = () =>
    bucket.client.send(new PutObjectCommand({ ...object, Body: body, IfNoneMatch: '*' }), { abortSignal: signal });
  try {
    await create();
    yield fine('test-object', 'An object can be created');
    const isRefused = await create().then(() => false, isConflict);
    yield isRefused
      ? fine('test-object.condition', 'A second one of the same name is refused, as it must be')
      : warning(
          'test-object.condition',
          'A second object of the same name takes the place of the first',
          'The store does not know conditional writes (If-None-Match): what is there already would be written over.',
          'Use a newer version of the store, or a bucket with versioning.',
        );
    const { Body } = await bucket.client.send(new GetObjectCommand(object), { abortSignal: signal });
    const back = await Body?.transformToByteArray();
    yield back !== undefined && body.equals(back)
      ? fine('test-object.read-back', 'It comes back as it was written')
      : wrong(
          'test-object.read-back',
          'It comes back changed',
          'Something in between alters what is stored.',
          'Look for a proxy before the store.',
        );
  } catch (error) {
    yield failed('test-object', 'A test object cannot be written and read', error, signal);
    return;
  }
  try {
    await bucket.client.send(new DeleteObjectCommand(object), { abortSignal: signal });
  } catch (error) {
    if (signal.aborted) throw error;
    yield warning(
      'test-object.remove',
      `The test object stays: ${object.Key}`,
      'Our account may write and not remove, which is enough for deliveries.',
      'Remove it by hand.',
    );
  }
}

function failed(id: string, what: string, error: unknown, signal: AbortSignal): Diagnosis {
  const translated = refusal(error, signal);
  if (!(translated instanceof HubError)) throw error;
  const { detail, reason } = translated.fields;
  return wrong(
    id,
    what,
    `The store says: ${String(detail)} (${String(reason)}).`,
    "Look at the rights of our account, and at the store's log for the same minute.",
  );
}
