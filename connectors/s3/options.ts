/** What a destination of the type `s3` is configured with. */
import * as z from 'zod';
import { duration, size } from '../../core/quantities.ts';
import { destinationOptions, secretReference, verifyAfter } from '../destination-options.ts';
import { checkLayout, layout } from '../file-layout.ts';

export const options = z
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
