/** A session with an SFTP server: its host key held against the pinned ones, every answer within a time, every failure with its retry class. */
import { createHash } from 'node:crypto';
import { Client, type SFTPWrapper } from 'ssh2';
import { HubError } from '../../core/errors.ts';
import { connectionFailure, fileFailure, statusOf, STATUS } from './failures.ts';
import { algorithmsFor, fingerprintOf, type HostKeys, keyTypeOf } from './host-key.ts';

export interface Server {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly auth: { readonly key: string; readonly passphrase: string | undefined } | { readonly password: string };
  readonly hostKeys: HostKeys;
  /** Until the session stands: connection, keys, who we are. */
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
}

/** What every server takes and answers at once (draft-ietf-secsh-filexfer-02 Section 3). */
const CHUNK_BYTES = 32 * 1024;
/** Of one file: so much is on its way without an answer. */
const WRITES_UNDER_WAY = 32;
/** @throws {HubError} `partner.unreachable`, `partner.refused` when host key or credentials do not fit, `config.invalid` */
export async function openSession(server: Server, signal: AbortSignal): Promise<Session> {
  const seen = new Set<string>();
  let mismatch: HubError | undefined;
  for (;;) {
    let shown: Buffer | undefined;
    try {
      return await Session.open(server, signal, seen, (key) => (shown = key));
    } catch (error) {
      if (shown === undefined) throw mismatch ?? error;
      if (server.hostKeys.accepts(shown)) throw error;
      mismatch ??= otherHostKey(shown, error);
      // A server has keys of several types and shows one: perhaps the pinned one is of another type.
      seen.add(keyTypeOf(shown));
      if (server.hostKeys.types !== undefined || algorithmsFor(server.hostKeys, seen).length === 0) throw mismatch;
    }
  }
}

function otherHostKey(key: Buffer, cause: unknown): HubError {
  const hostKey = `${fingerprintOf(key)} (${keyTypeOf(key).replaceAll(/[^\x20-\x7e]/g, '')})`;
  return new HubError(
    'partner.refused',
    { detail: `its host key ${hostKey} is not one that is pinned`, hostKey },
    cause,
  );
}

export class Session {
  readonly #client = new Client();
  readonly #answerTimeoutMs: number;
  readonly #ended = Promise.withResolvers<never>();
  #sftp: SFTPWrapper | undefined;

  private constructor(answerTimeoutMs: number) {
    this.#answerTimeoutMs = answerTimeoutMs;
    // Rejected when nobody waits: whoever asks next is told.
    this.#ended.promise.catch(() => undefined);
  }

  static async open(
    server: Server,
    signal: AbortSignal,
    without: ReadonlySet<string>,
    onHostKey: (key: Buffer) => void,
  ): Promise<Session> {
    signal.throwIfAborted();
    const session = new Session(server.answerTimeoutMs);
    const client = session.#client;
    const onAbort = (): void => {
      session.#ended.reject(signal.reason instanceof Error ? signal.reason : new HubError('command.interrupted'));
      client.destroy();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    client.on('error', (error) => session.#ended.reject(connectionFailure(error)));
    client.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      session.#ended.reject(new HubError('partner.unreachable', { detail: 'the connection was closed' }));
    });
    const ready = new Promise<void>((done) => client.once('ready', done));
    try {
      session.#connect(server, without, onHostKey);
      await Promise.race([ready, session.#ended.promise]);
      session.#sftp = await session.#ask<SFTPWrapper>((done) => client.sftp(done));
      return session;
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  /** Size of a file, `folder`, or undefined when nothing is there. */
  async look(path: string): Promise<number | 'folder' | undefined> {
    try {
      const stats = await this.#ask<{ readonly size: number; isDirectory(): boolean }>((done) =>
        this.#open().stat(path, done),
      );
      return stats.isDirectory() ? 'folder' : stats.size;
    } catch (error) {
      if (statusOf(error) === STATUS.noSuchFile) return undefined;
      throw fileFailure(error, 'looked at');
    }
  }

  /** A folder, and those above it. Harmless where they are there. */
  async makeFolders(path: string): Promise<void> {
    try {
      await this.#ask((done) => this.#open().mkdir(path, done));
      return;
    } catch (error) {
      const above = path.slice(0, path.lastIndexOf('/'));
      if (statusOf(error) === STATUS.noSuchFile && above !== '') {
        await this.makeFolders(above);
        await this.makeFolders(path);
        return;
      }
      // Of version 3 the status of a folder that is there is just "failure".
      if ((await this.look(path)) === 'folder') return;
      throw fileFailure(error, 'made');
    }
  }

  /** Writes a file anew, and has the server sync it where it can. */
  async write(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const sftp = this.#open();
    try {
      const handle = await this.#ask<Buffer>((done) => sftp.open(path, 'w', { mode: 0o640 }, done));
      try {
        await this.#writeAll(handle, chunks);
        // Survives the power plug over there: a rename that is durable before the bytes are would leave an empty file.
        await this.#sync(handle);
      } finally {
        await this.#ask((done) => sftp.close(handle, done));
      }
    } catch (error) {
      throw fileFailure(error, 'written');
    }
  }

  /** Takes the place of what may be there: at once where the server knows posix-rename, else in two steps. */
  async replace(from: string, to: string): Promise<void> {
    const sftp = this.#open();
    try {
      if (this.#knows('posix-rename@openssh.com')) {
        await this.#ask((done) => sftp.ext_openssh_rename(from, to, done));
        return;
      }
      // A crash in between leaves no file under the name: the next attempt finds it missing and sends it again.
      if ((await this.look(to)) !== undefined) await this.remove(to);
      await this.#ask((done) => sftp.rename(from, to, done));
    } catch (error) {
      throw fileFailure(error, 'renamed');
    }
  }

  async remove(path: string): Promise<void> {
    try {
      await this.#ask((done) => this.#open().unlink(path, done));
    } catch (error) {
      if (statusOf(error) !== STATUS.noSuchFile) throw fileFailure(error, 'removed');
    }
  }

  /** @throws {HubError} `partner.refused` when it is longer; undefined when it is not there */
  async read(path: string, mostBytes: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let sizeBytes = 0;
    for await (const part of this.#chunks(path)) {
      if (part === undefined) return undefined;
      sizeBytes += part.byteLength;
      if (sizeBytes > mostBytes)
        throw new HubError('partner.refused', { detail: 'a file there is too long to be ours' });
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  /** SHA-256, in hex, of what the server gives back. */
  async digest(path: string): Promise<string | undefined> {
    const hash = createHash('sha256');
    for await (const part of this.#chunks(path)) {
      if (part === undefined) return undefined;
      hash.update(part);
    }
    return hash.digest('hex');
  }

  /** Whether the server offers an extension in the version that is known here. */
  knowsSync(): boolean {
    return this.#knows('fsync@openssh.com');
  }

  close(): void {
    this.#client.end();
    setTimeout(() => this.#client.destroy(), 1_000).unref();
  }

  #open(): SFTPWrapper {
    if (this.#sftp === undefined) throw new HubError('partner.unreachable', { detail: 'no session' });
    return this.#sftp;
  }

  #connect(server: Server, without: ReadonlySet<string>, onHostKey: (key: Buffer) => void): void {
    const { auth, hostKeys } = server;
    if ('password' in auth) {
      // Many servers ask for the password this way only; a question that is not just that gets no answer.
      this.#client.on('keyboard-interactive', (_name, _instructions, _language, prompts, answer) => {
        answer(prompts.length === 1 ? [auth.password] : []);
      });
    }
    try {
      this.#client.connect({
        host: server.host,
        port: server.port,
        username: server.user,
        readyTimeout: server.connectTimeoutMs,
        keepaliveInterval: 15_000,
        keepaliveCountMax: 4,
        algorithms: { serverHostKey: algorithmsFor(hostKeys, without) },
        // Never trusted on first use: a key that is not pinned ends it before we say who we are.
        hostVerifier: (key: Buffer) => {
          onHostKey(key);
          return hostKeys.accepts(key);
        },
        ...('password' in auth
          ? { password: auth.password, tryKeyboard: true }
          : { privateKey: auth.key, ...(auth.passphrase === undefined ? {} : { passphrase: auth.passphrase }) }),
      });
    } catch (error) {
      // It reads the key at once; its sentences quote nothing of it.
      throw new HubError(
        'config.invalid',
        { detail: 'our private key cannot be read: not a key, or its passphrase is wrong' },
        error,
      );
    }
  }

  async #writeAll(handle: Buffer, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const underWay = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    let at = 0;
    for await (const chunk of chunks) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let from = 0; from < bytes.byteLength; from += CHUNK_BYTES) {
        const part = bytes.subarray(from, from + CHUNK_BYTES);
        const place = at;
        at += part.byteLength;
        const writing: Promise<void> = this.#ask((done) =>
          this.#open().write(handle, part, 0, part.byteLength, place, done),
        )
          .then(
            () => undefined,
            (error: unknown) => void (failure ??= { error }),
          )
          .finally(() => underWay.delete(writing));
        underWay.add(writing);
        if (underWay.size >= WRITES_UNDER_WAY) await Promise.race(underWay);
      }
      if (failure !== undefined) break;
    }
    await Promise.all(underWay);
    if (failure !== undefined) throw failure.error;
  }

  async #sync(handle: Buffer): Promise<void> {
    if (!this.#knows('fsync@openssh.com')) return;
    await this.#ask((done) => this.#open().ext_openssh_fsync(handle, done));
  }

  async *#chunks(path: string): AsyncGenerator<Buffer | undefined> {
    const sftp = this.#open();
    try {
      const handle = await this.#ask<Buffer>((done) => sftp.open(path, 'r', done));
      try {
        for (let at = 0; ;) {
          const part = await this.#readPart(handle, at);
          if (part.byteLength === 0) return;
          at += part.byteLength;
          yield part;
        }
      } finally {
        await this.#ask((done) => sftp.close(handle, done));
      }
    } catch (error) {
      if (statusOf(error) !== STATUS.noSuchFile) throw fileFailure(error, 'read');
      yield undefined;
    }
  }

  async #readPart(handle: Buffer, at: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES * 8);
    const length = await this.#ask<number>((done) =>
      this.#open().read(handle, buffer, 0, buffer.byteLength, at, (error, bytesRead) => {
        done(error, bytesRead);
      }),
    );
    return buffer.subarray(0, length);
  }

  #knows(extension: string): boolean {
    return parseExtensions(this.#open())[extension] === '1';
  }

  /** One request and its answer, unless the session ends before or the server says nothing. */
  async #ask<Value = unknown>(
    request: (done: (error?: Error | null, value?: Value) => void) => unknown,
  ): Promise<Value> {
    let late: NodeJS.Timeout | undefined;
    try {
      const answered = new Promise<Value>((resolve, reject) => {
        late = setTimeout(() => {
          this.#ended.reject(new HubError('partner.timeout', { detail: 'no answer in time' }));
          this.#client.destroy();
        }, this.#answerTimeoutMs);
        request((error, value) => {
          if (error !== undefined && error !== null) reject(error);
          else resolve(parseAnswer<Value>(value));
        });
      });
      return await Promise.race([answered, this.#ended.promise]);
    } finally {
      clearTimeout(late);
    }
  }
}

/** The library's answer is of the type that its request says. */
function parseAnswer<Value>(value: Value | undefined): Value {
  return value as Value;
}

/** What the server said it knows beyond version 3; the library keeps it and does not show it. */
function parseExtensions(sftp: SFTPWrapper): Readonly<Record<string, string>> {
  return (sftp as SFTPWrapper & { readonly _extensions?: Readonly<Record<string, string>> })._extensions ?? {};
}
