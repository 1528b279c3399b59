/** What the store's answers, and its silence, mean to the hub. */
import { S3ServiceException } from '@aws-sdk/client-s3';
import { type ErrorCode, type ErrorFields, HubError } from '../../../core/errors.ts';

/** By the name of the error: AWS's own, and those of the servers that speak its protocol. */
const BY_NAME: Readonly<Record<string, ErrorCode>> = {
  ...{ NoSuchKey: 'store.missing', NotFound: 'store.missing', InvalidRange: 'store.missing' },
  NoSuchBucket: 'store.bucket-missing',
  ...{ AccessDenied: 'store.denied', AllAccessDisabled: 'store.denied', AccountProblem: 'store.denied' },
  ...{ InvalidAccessKeyId: 'store.credentials', SignatureDoesNotMatch: 'store.credentials' },
  ...{
    ExpiredToken: 'store.credentials',
    InvalidToken: 'store.credentials',
    TokenRefreshRequired: 'store.credentials',
  },
  ...{ CredentialsProviderError: 'store.credentials', XAdminUserNotFound: 'store.credentials' },
  ...{ RequestTimeTooSkewed: 'store.clock-skew', RequestExpired: 'store.clock-skew' },
  ...{ AuthorizationHeaderMalformed: 'store.wrong-region', PermanentRedirect: 'store.wrong-region' },
  ...{ TemporaryRedirect: 'store.wrong-region', IllegalLocationConstraintException: 'store.wrong-region' },
  ...{ QuotaExceeded: 'store.bucket-full', XMinioStorageFull: 'store.bucket-full', NoSpace: 'store.bucket-full' },
  ...{ XMinioAdminBucketQuotaExceeded: 'store.bucket-full', InsufficientStorage: 'store.bucket-full' },
  ...{ BadDigest: 'store.corrupted', InvalidDigest: 'store.corrupted', XAmzContentChecksumMismatch: 'store.corrupted' },
  XAmzContentSHA256Mismatch: 'store.corrupted',
  ...{ SlowDown: 'store.unreachable', RequestTimeout: 'store.unreachable', InternalError: 'store.unreachable' },
  ...{ ServiceUnavailable: 'store.unreachable', ThrottlingException: 'store.unreachable' },
  ...{ TimeoutError: 'store.unreachable', AbortError: 'store.unreachable' },
} satisfies Record<string, ErrorCode>;

/** Answers without a body, as those to HEAD, have a status only. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  301: 'store.wrong-region',
  307: 'store.wrong-region',
  403: 'store.denied',
  404: 'store.missing',
  408: 'store.unreachable',
  416: 'store.missing',
  429: 'store.unreachable',
  507: 'store.bucket-full',
};

/** Of the system, when nobody answers at all. */
const OF_NETWORK = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'],
  ...['ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE', 'UND_ERR_SOCKET', 'ERR_SOCKET_CONNECTION_TIMEOUT'],
]);

/** @param fields - a pack, a reference: never a key with credentials, never what is in it */
export function refusal(error: unknown, fields: ErrorFields): HubError {
  if (error instanceof HubError) return error;
  return new HubError(codeOf(error), { ...fields, reason: reasonOf(error) }, error);
}

/** A conditional write met a pack of that name, or the upload it completes is gone. */
export function mayBeThereAlready(error: unknown): boolean {
  return (
    error instanceof S3ServiceException &&
    (error.$metadata.httpStatusCode === 412 || ['PreconditionFailed', 'NoSuchUpload'].includes(error.name))
  );
}

function codeOf(error: unknown): ErrorCode {
  const byName = error instanceof Error ? BY_NAME[error.name] : undefined;
  if (byName !== undefined) return byName;
  if (error instanceof S3ServiceException) {
    const status = error.$metadata.httpStatusCode ?? 0;
    return BY_STATUS[status] ?? (status >= 500 ? 'store.unreachable' : 'store.failed');
  }
  const code = systemCodeOf(error);
  // A TLS failure is of the way there, not of what was asked.
  if (code !== undefined)
    return OF_NETWORK.has(code) || /^(ERR_(SSL|TLS)|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO)/.test(code)
      ? 'store.unreachable'
      : 'store.failed';
  return 'store.failed';
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return systemCodeOf(error) ?? error.name;
}

function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
