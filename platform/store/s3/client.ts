/** The client for one bucket: who asks, how long is waited, and what its refusals mean. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import type { SecretReference } from '../../../core/plugins.ts';

export interface S3Options {
  readonly bucket: string;
  readonly region: string;
  /** Undefined: AWS itself, by region. */
  readonly endpoint?: string | undefined;
  readonly forcePathStyle: boolean;
  /** In front of each key; empty, or ends with a slash. */
  readonly prefix: string;
  /** Undefined: the SDK's own chain (variables, files, the instance's or pod's role). */
  readonly credentials?:
    | {
        readonly accessKeyId: SecretReference;
        readonly secretAccessKey: SecretReference;
        readonly sessionToken?: SecretReference | undefined;
      }
    | undefined;
  /** PEM of the authorities to trust in place of the usual ones. */
  readonly ca?: SecretReference | undefined;
  readonly connectTimeoutMs: number;
  /** Longest silence of a connection that something is asked on. */
  readonly idleTimeoutMs: number;
}

/** A bucket to ask. */
export interface Bucket {
  readonly client: S3Client;
  readonly name: string;
  readonly idleTimeoutMs: number;
  /** Of a pack. */
  key(pack: string): string;
  /** The pack of a key that `key` made. */
  packOf(key: string): string;
}

/** Connections kept to the store, all readers and writers of a thread together. */
const MAX_SOCKETS = 64;
/** Of the SDK, a request; whoever has to get through tries on above it. */
const ATTEMPTS = 3;
/** How long secrets are used before they are read again: files with renewed ones are looked at. */
const CREDENTIALS_MS = 300_000;

export function openBucket(options: S3Options, secret: (reference: SecretReference) => string): Bucket {
  const { endpoint, prefix, ca, connectTimeoutMs, idleTimeoutMs } = options;
  const agent = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const client = new S3Client({
    region: options.region,
    forcePathStyle: options.forcePathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: credentialsOf(options.credentials, secret) }),
    maxAttempts: ATTEMPTS,
    // Checksums are made and compared here: one of a whole pack, which the SDK cannot know part by part.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...(ca === undefined ? {} : { ca: secret(ca) }) }),
    },
  });
  if (endpoint === undefined || endpoint.startsWith('https:')) {
    // TLS and the signed checksum guard the body already; a SHA-256 of each would be processor time of the doors' thread.
    client.middlewareStack.add(
      (next) => (args) => {
        const { request } = args as { readonly request: { readonly headers: Record<string, string> } };
        request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
        return next(args);
      },
      { step: 'build', name: 'hubUnsignedPayload' },
    );
  }
  return {
    client,
    name: options.bucket,
    idleTimeoutMs,
    key: (pack) => `${prefix}${pack}`,
    packOf: (key) => key.slice(prefix.length),
  };
}

function credentialsOf(
  { accessKeyId, secretAccessKey, sessionToken }: NonNullable<S3Options['credentials']>,
  secret: (reference: SecretReference) => string,
) {
  return () =>
    Promise.resolve({
      accessKeyId: secret(accessKeyId),
      secretAccessKey: secret(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: secret(sessionToken) }),
      expiration: new Date(Date.now() + CREDENTIALS_MS),
    });
}
