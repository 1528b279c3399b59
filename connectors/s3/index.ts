/** Delivers into a bucket: each file an object that is created or left alone, and the study's manifest last, as the commit mark. */
import * as z from 'zod';
import type { Connector, ConnectorContext, ConnectorPlugin } from '../../core/plugins.ts';
import { duration, size } from '../../core/quantities.ts';
import { destinationOptions, secretReference, verifyAfter } from '../destination-options.ts';
import { checkLayout, layout } from '../file-layout.ts';
import { studyTurns } from '../study-turns.ts';
import type { BucketOptions } from './bucket.ts';

const options = z
  .strictObject({
    ...destinationOptions,
    type: z.literal('s3'),
    verify: verifyAfter,
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket has 3 to 63 lower-case letters, digits, dots and hyphens'),
    region: z.string().min(1).max(64).default('us-east-1'),
    endpoint: z
      .url({ protocol: /^https?$/, error: 'not an http or https URL' })
      .optional()
      .describe('Of a store that is not Amazon S3.'),
    forcePathStyle: z.boolean().default(false).describe('The bucket in the path, not in the host name.'),
    prefix: z
      .string()
      .regex(
        /^([A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*\/?)?$/,
        'letters, digits, dots, hyphens and underscores between slashes',
      )
      .max(200)
      .default('')
      .transform((text) => (text === '' || text.endsWith('/') ? text : `${text}/`))
      .describe('In front of each key.'),
    layout,
    credentials: z
      .strictObject({
        accessKeyId: secretReference,
        secretAccessKey: secretReference,
        sessionToken: secretReference.optional(),
      })
      .optional()
      .describe('By reference; absent: those of the machine, pod or environment.'),
    ca: secretReference.optional().describe('PEM of the authorities to trust in place of the usual ones.'),
    // Amazon S3 takes no parts below 5 MiB but the last.
    partSize: size('5MiB', '1GiB').prefault('8MiB').describe('A larger file goes in parts of this size.'),
    parallel: z.int().min(1).max(32).default(4).describe('Files under way at once, of each delivery.'),
    timeouts: z
      .strictObject({
        connect: duration('100ms', '5m').prefault('10s'),
        idle: duration('100ms', '10m').prefault('60s').describe('Longest silence of the store.'),
      })
      .prefault({}),
  })
  .superRefine(checkLayout);
export type S3Options = z.infer<typeof options>;

export const s3: ConnectorPlugin<S3Options> = {
  type: 's3',
  options,
  open,
  async *probe(given, context) {
    const { probeS3 } = await import('./probe.ts');
    yield* probeS3(given, () => bucketOptions(given, context), context);
  },
};

function open(given: S3Options, context: ConnectorContext): Connector {
  const bucket = bucketOptions(given, context);
  const turns = studyTurns();
  // When it is needed: the client takes 20 MB of every thread that only reads a configuration.
  const begun = lazily(async () => {
    const { openBucket } = await import('./bucket.ts');
    return openBucket(bucket);
  });
  return {
    deliver: (order, onDelivered) =>
      turns.run(order.studyInstanceUid, async () => {
        const { deliverStudy } = await import('./study-objects.ts');
        await deliverStudy(await begun.get(), context.store, given, order, onDelivered);
      }),
    reconcile: async (order) => {
      const { reconcileStudy } = await import('./study-objects.ts');
      return await reconcileStudy(await begun.get(), given, order);
    },
    close: async () => {
      await turns.idle();
      (await begun.begun())?.close();
    },
  };
}

function lazily<Value>(make: () => Promise<Value>) {
  let made: Promise<Value> | undefined;
  return { get: () => (made ??= make()), begun: () => made };
}

/** @throws {HubError} `config.invalid` when a secret cannot be had */
function bucketOptions(given: S3Options, { secret }: Pick<ConnectorContext, 'secret'>): BucketOptions {
  const { bucket, region, endpoint, forcePathStyle, prefix, credentials, ca, timeouts } = given;
  const read =
    credentials === undefined
      ? undefined
      : () => ({
          accessKeyId: secret(credentials.accessKeyId),
          secretAccessKey: secret(credentials.secretAccessKey),
          ...(credentials.sessionToken === undefined ? {} : { sessionToken: secret(credentials.sessionToken) }),
        });
  // What is missing shows at the start, not at the first study.
  read?.();
  return {
    ...{ bucket, region, endpoint, forcePathStyle, prefix },
    credentials: read,
    ca: ca === undefined ? undefined : secret(ca),
    connectTimeoutMs: timeouts.connect,
    idleTimeoutMs: timeouts.idle,
  };
}
