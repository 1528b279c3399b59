/** Versity's S3 gateway on a folder: a real server of the protocol, with signatures, conditions and checksums. */
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import type { S3Options } from '../../platform/store/s3/client.ts';
import { freePort, run, type RunningServer, startServer, type Command } from './child-process.ts';
import { cacheFolder } from './debian-packages.ts';
import { withFileLock } from './file-lock.ts';
import { allow } from './patience.ts';
import { PeerUnavailable } from './peer-unavailable.ts';

const MODULE = 'github.com/versity/versitygw';
const VERSION = 'v1.8.0';
/** It is compiled; on two busy cores that takes its time, once a machine. */
const BUILD_TIMEOUT_MS = 900_000;
const ACCESS_KEY = 'hub-tests';
const SECRET_KEY = 'hub-tests-secret';
const START_ATTEMPTS = 3;

export interface S3Server extends RunningServer {
  readonly port: number;
  /** A new, empty bucket's options, and a client of its own to look into it. */
  bucket(): Promise<S3Bucket>;
  /** As the power plug would. */
  kill(): Promise<void>;
  /** Starts it again on the same port and folder. */
  again(): Promise<void>;
}

export interface S3Bucket {
  readonly options: S3Options;
  readonly client: S3Client;
  /** As a configuration file says it; the secrets are those of `s3Secret`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Keys and sizes, in the order of keys. */
  readonly keys: () => Promise<readonly { readonly key: string; readonly sizeBytes: number }[]>;
}

/** The secrets that options and configuration refer to. */
export const S3_SECRETS: Readonly<Record<string, string>> = { S3_KEY: ACCESS_KEY, S3_SECRET: SECRET_KEY };
export const s3Secret = (reference: { readonly env: string } | { readonly file: string }): string =>
  ('env' in reference ? S3_SECRETS[reference.env] : undefined) ?? '';

let buckets = 0;

/** On a free loopback port, with a folder of its own that `stop` removes. */
export async function startS3Server(): Promise<S3Server> {
  const program = await versitygw();
  const folder = await mkdtemp(join(tmpdir(), 'hub-s3-'));
  for (const name of ['data', 'side']) await mkdir(join(folder, name));
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const args = [
      ...['--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet'],
      ...['posix', '--sidecar', join(folder, 'side'), join(folder, 'data')],
    ];
    const start = () => startServer(program, args, () => answers(port));
    try {
      let running = await start();
      return {
        get pid() {
          return running.pid;
        },
        log: () => running.log(),
        port,
        bucket: () => makeBucket(port),
        kill: async () => {
          process.kill(running.pid, 'SIGKILL');
          await running.stop();
        },
        again: async () => {
          running = await start();
        },
        stop: async () => {
          await running.stop();
          await rm(folder, { recursive: true, force: true });
        },
      };
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
}

/** The same bucket by another way, a proxy in front of it. */
export function through(bucket: S3Bucket, port: number, more: Partial<S3Options> = {}): S3Options {
  return { ...bucket.options, endpoint: `http://127.0.0.1:${port}`, ...more };
}

async function makeBucket(port: number): Promise<S3Bucket> {
  const endpoint = `http://127.0.0.1:${port}`;
  const name = `hub-tests-${process.pid}-${(buckets += 1)}`;
  const client = new S3Client({
    region: 'us-east-1',
    endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  });
  await client.send(new CreateBucketCommand({ Bucket: name }));
  const common = { bucket: name, region: 'us-east-1', endpoint, forcePathStyle: true, prefix: 'hub/' };
  const credentials = { accessKeyId: { env: 'S3_KEY' }, secretAccessKey: { env: 'S3_SECRET' } };
  return {
    options: { ...common, credentials, connectTimeoutMs: 2_000, idleTimeoutMs: 10_000 },
    client,
    config: { kind: 's3', ...common, credentials },
    keys: async () => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: name }));
      return Contents.map(({ Key = '', Size = 0 }) => ({ key: Key, sizeBytes: Size }));
    },
  };
}

async function answers(port: number): Promise<boolean> {
  try {
    // Refused for want of a signature: it is there.
    return (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2_000) })).status === 403;
  } catch {
    return false; // Not listening yet.
  }
}

async function versitygw(): Promise<Command> {
  const program = join(cacheFolder(), `versitygw-${VERSION}`);
  const isThere = () =>
    access(program).then(
      () => true,
      () => false,
    );
  const env = { ROOT_ACCESS_KEY_ID: ACCESS_KEY, ROOT_SECRET_ACCESS_KEY: SECRET_KEY };
  if (await isThere()) return { path: program, env };
  allow(BUILD_TIMEOUT_MS);
  try {
    await withFileLock(`${program}.lock`, BUILD_TIMEOUT_MS, async () => {
      if (await isThere()) return;
      const work = await mkdtemp(`${program}.`);
      try {
        const go: Command = { path: 'go', env: { GOBIN: work, CGO_ENABLED: '0', GOFLAGS: '' } };
        const args = ['install', `${MODULE}/cmd/versitygw@${VERSION}`];
        const { code, stderr } = await run(go, args, { timeoutMs: BUILD_TIMEOUT_MS, cwd: work });
        if (code !== 0) throw new Error(`go install ended with ${String(code)}: ${stderr.trimEnd().slice(-300)}`);
        await rename(join(work, 'versitygw'), program);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    });
  } catch (error) {
    throw new PeerUnavailable('versitygw', error instanceof Error ? error.message : String(error), error);
  }
  return { path: program, env };
}
