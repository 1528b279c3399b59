/** Where bytes live: in the data folder, or in a bucket. And which of the hubs that share one this is. */
import { hostname } from 'node:os';
import * as z from 'zod';
import { duration } from '../core/quantities.ts';
import { secret } from './entries.ts';

/** Bucket names of Amazon S3, which others take too. */
const bucket = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket has 3 to 63 lower-case letters, digits, dots and hyphens');

/** In front of each key; a slash is added. Harmless characters only: packs are named in references. */
const prefix = z
  .string()
  .regex(
    /^([A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*\/?)?$/,
    'letters, digits, dots, hyphens and underscores between slashes',
  )
  .max(200)
  .transform((text) => (text === '' || text.endsWith('/') ? text : `${text}/`));

const DEFAULTS = { region: 'us-east-1', uploads: 4, lingerMs: 250, keepLocalMs: 0 };
const TIMEOUTS = { connect: 5_000, idle: 30_000 };

/** One object, so that editors and `HUB_STORE_…` know all keys; what belongs to a bucket is refused without one. */
export const store = z
  .strictObject({
    kind: z.enum(['file', 's3']).default('file'),
    bucket: bucket.optional(),
    region: z.string().min(1).max(64).optional(),
    endpoint: z.url({ protocol: /^https?$/, error: 'not an http or https URL' }).optional(),
    forcePathStyle: z.boolean().optional(),
    prefix: prefix.optional(),
    credentials: z
      .strictObject({ accessKeyId: secret, secretAccessKey: secret, sessionToken: secret.optional() })
      .optional(),
    ca: secret.optional(),
    timeouts: z
      .strictObject({ connect: duration('100ms', '5m').optional(), idle: duration('100ms', '10m').optional() })
      .optional(),
    uploads: z.int().min(1).max(16).optional(),
    linger: duration('10ms', '1m').optional(),
    keepLocal: duration('0ms', '365d').optional(),
  })
  .prefault({})
  .transform(({ kind, ...given }, context) => {
    if (kind === 'file') {
      for (const key of Object.keys(given)) {
        context.issues.push({ code: 'custom', path: [key], message: 'belongs to kind: s3', input: given });
      }
      return { kind };
    }
    const { bucket: name, timeouts, linger, keepLocal, ...rest } = given;
    if (name === undefined) {
      context.issues.push({ code: 'custom', path: ['bucket'], message: 'missing: the bucket', input: given });
      return z.NEVER;
    }
    return {
      kind,
      bucket: name,
      endpoint: rest.endpoint,
      credentials: rest.credentials,
      ca: rest.ca,
      prefix: rest.prefix ?? '',
      region: rest.region ?? DEFAULTS.region,
      forcePathStyle: rest.forcePathStyle ?? false,
      uploads: rest.uploads ?? DEFAULTS.uploads,
      lingerMs: linger ?? DEFAULTS.lingerMs,
      keepLocalMs: keepLocal ?? DEFAULTS.keepLocalMs,
      connectTimeoutMs: timeouts?.connect ?? TIMEOUTS.connect,
      idleTimeoutMs: timeouts?.idle ?? TIMEOUTS.idle,
    };
  });

/** Of a replica; part of names in the bucket. Like a host name, which it is by default: see `ownNode`. */
export const node = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/,
    'a node has letters, digits, dots and hyphens, at most 63, and begins with a letter or digit',
  );

/** The host's name; what a host may be called and a node may not is left out. */
export function ownNode(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9.-]/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 63);
  return name === '' ? 'hub' : name;
}
