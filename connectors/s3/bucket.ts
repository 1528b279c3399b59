/** A destination's bucket: its client, and what an object's answers and refusals mean to a delivery. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { type HeadObjectCommandOutput, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { type ErrorCode, HubError } from '../../core/errors.ts';

export interface BucketOptions {
  readonly bucket: string;
  readonly region: string;
  readonly endpoint: string | undefined;
  readonly forcePathStyle: boolean;
  /** In front of each key; empty, or ends with a slash. */
  readonly prefix: string;
  /** Undefined: the SDK's own chain (variables, files, the machine's or pod's role). */
  readonly credentials:
    | (() => { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string })
    | undefined;
  /** PEM. */
  readonly ca: string | undefined;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface Bucket {
  readonly client: S3Client;
  readonly name: string;
  /** Of a path below the prefix. */
  object(path: string): { readonly Bucket: string; readonly Key: string };
  close(): void;
}

const MAX_SOCKETS = 64;
/** Of the SDK, a request; the delivery's own attempts come above it. */
const ATTEMPTS = 2;
/** How long secrets are used before they are read again: files with renewed ones are looked at. */
const CREDENTIALS_MS = 300_000;

export function openBucket(options: BucketOptions): Bucket {
  const { endpoint, credentials, ca } = options;
  const agent = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const client = new S3Client({
    region: options.region,
    forcePathStyle: options.forcePathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: () => Promise.resolve({ ...credentials(), expiration: new Date(Date.now() + CREDENTIALS_MS) }),
        }),
    maxAttempts: ATTEMPTS,
    // The digests are the ledger's: what the store compares is what was recorded when the file was made.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: options.connectTimeoutMs,
      socketTimeout: options.idleTimeoutMs,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...(ca === undefined ? {} : { ca }) }),
    },
  });
  return {
    client,
    name: options.bucket,
    object: (path) => ({ Bucket: options.bucket, Key: `${options.prefix}${path}` }),
    close: () => client.destroy(),
  };
}

/** Marks an object as written for a delivery: what bears it may be replaced by a later content of the same file. */
export const DELIVERY_MARK = 'hub-delivery';
/** Hex digest of the whole object: the store's own is one of parts, where it went in parts. */
export const DIGEST_MARK = 'hub-sha256';

/** @returns undefined when the store's answer does not tell the content */
export function hasDigest(
  head: Pick<HeadObjectCommandOutput, 'ContentLength' | 'Metadata' | 'ChecksumSHA256' | 'ChecksumType'>,
  { sizeBytes, sha256 }: { readonly sizeBytes: number; readonly sha256: string },
): boolean | undefined {
  if (head.ContentLength !== sizeBytes) return false;
  // What the store counted itself goes before what the writer said.
  const own = head.ChecksumSHA256;
  if (own !== undefined && head.ChecksumType !== 'COMPOSITE' && !own.includes('-')) return own === base64(sha256);
  const said = head.Metadata?.[DIGEST_MARK];
  return said === undefined ? undefined : said === sha256;
}

export function base64(sha256: string): string {
  return Buffer.from(sha256, 'hex').toString('base64');
}

/** A conditional write met another object; or its own, where the answer to it got lost and it was repeated. */
export function isConflict(error: unknown): boolean {
  const name = error instanceof Error ? error.name : '';
  return statusOf(error) === 412 || ['PreconditionFailed', 'NoSuchUpload'].includes(name);
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && ['NoSuchKey', 'NotFound'].includes(error.name);
}

/** By the name of the error: what the administrator of the destination has to mend. */
const REFUSALS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket',
  AccessDenied: 'our credentials may not do this',
  InvalidAccessKeyId: 'it does not know our access key',
  SignatureDoesNotMatch: 'our secret key is wrong',
  ExpiredToken: 'our credentials have expired',
  InvalidToken: 'our session token is not valid',
  CredentialsProviderError: 'there are no credentials',
  RequestTimeTooSkewed: 'its clock and ours differ too much',
  AuthorizationHeaderMalformed: 'the bucket is in another region',
  PermanentRedirect: 'the bucket is in another region',
  EntityTooLarge: 'the file is too large for it',
  NotImplemented: 'it knows no conditional writes or checksums',
};
const BUSY = new Set([
  ...['SlowDown', 'InternalError', 'ServiceUnavailable', 'ThrottlingException', 'ConditionalRequestConflict'],
  ...['QuotaExceeded', 'XMinioStorageFull', 'NoSpace', 'InsufficientStorage', 'XMinioAdminBucketQuotaExceeded'],
]);
const DAMAGED = new Set(['BadDigest', 'InvalidDigest', 'XAmzContentChecksumMismatch', 'XAmzContentSHA256Mismatch']);
const TIME_OUTS = new Set(['TimeoutError', 'RequestTimeout', 'ETIMEDOUT', 'ERR_SOCKET_CONNECTION_TIMEOUT']);

/** What the store's answer, or its silence, means to the delivery. */
export function refusal(error: unknown, signal?: AbortSignal): unknown {
  if (error instanceof HubError || !(error instanceof Error) || signal?.aborted === true) return error;
  const status = statusOf(error);
  const fields = { reason: reasonOf(error), ...(status === undefined ? {} : { status }) };
  const code = (name: ErrorCode, detail: string) => new HubError(name, { detail, ...fields }, error);
  const refused = REFUSALS[error.name];
  if (refused !== undefined) return code('partner.refused', refused);
  if (DAMAGED.has(error.name)) return code('partner.busy', 'a file was damaged on its way');
  if (BUSY.has(error.name) || status === 429 || (status ?? 0) >= 500)
    return code('partner.busy', 'the store is busy, ill or full');
  if (TIME_OUTS.has(error.name)) return code('partner.timeout', 'no answer in time');
  if (status === 401 || status === 403) return code('partner.refused', 'our credentials may not do this');
  if (status !== undefined) return code('partner.refused', 'the store refuses');
  return code('partner.unreachable', 'no connection, or it broke');
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

function reasonOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
