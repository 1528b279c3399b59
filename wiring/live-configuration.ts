/**
 * The configuration in force, and how another one takes its place while the hub runs. Everything that can fail comes
 * first: reading, checking, getting ready, noting the version in the ledger. Then all stages switch, and an event is
 * worked by one version or by the other. One change at a time.
 */
import { restartNeeded } from '../config/live.ts';
import { mistakeLine } from '../config/mistakes.ts';
import { type Difference, differences } from '../core/difference.ts';
import { HubError, toHubError } from '../core/errors.ts';
import type { Ledger } from '../core/ledger.ts';
import type { ActivationCause } from '../core/ledger/configuration.ts';
import type { Logger } from '../core/ports.ts';
import type { Config, Loaded } from './shapes.ts';
import { fileStamp } from './file-stamp.ts';

/** Where configurations come from. */
export interface ConfigurationSource {
  /** Absent: there is none, and what is in force came from somewhere else. */
  readonly file?: string | undefined;
  /** What `config` was read from. */
  readonly document: unknown;
  /** The file again, with everything laid over it as at the start. */
  readonly read: () => Loaded;
  /** A document that was in force before. */
  readonly readDocument: (document: unknown) => Loaded;
}

/** What is ready to hold; one of the two is called, once. */
export interface Prepared {
  /** Cannot fail. */
  commit(): void;
  discard(): void;
}

export interface LivePorts {
  readonly ledger: Pick<Ledger, 'configuration' | 'events'>;
  readonly log: Logger;
  /** Of several hubs on one ledger. */
  readonly node: string;
  /** Has every part of the hub get ready. @throws {HubError} and nothing has changed */
  readonly prepare: (next: Config) => Promise<Prepared>;
}

/** Why a configuration comes into force, and through whom. */
export interface Change {
  readonly cause: Exclude<ActivationCause, 'start' | 'rollback'>;
  /** A token's id, or `signal`, `file`. */
  readonly actor: string;
}

export interface Taken {
  readonly version: string;
  readonly previous: string;
  /** False: it was in force already. */
  readonly isNew: boolean;
  readonly differences: readonly Difference[];
  readonly warnings: readonly string[];
  /** What is in force now is not what the file says: the next start would take the file. */
  readonly fileDiffers: boolean;
}

export class LiveConfiguration {
  readonly #source: ConfigurationSource;
  readonly #ports: LivePorts;
  #inForce: { readonly config: Config; readonly document: unknown };
  #changing: Promise<unknown> = Promise.resolve();
  /** The file, when it was found to say something else, and what is wrong; undefined: as far as is known it agrees. */
  #problem: { readonly stamp: string; readonly error: HubError } | undefined;

  constructor(config: Config, source: ConfigurationSource, ports: LivePorts) {
    this.#source = source;
    this.#ports = ports;
    this.#inForce = { config, document: source.document };
  }

  get current(): Config {
    return this.#inForce.config;
  }

  get file(): string | undefined {
    return this.#source.file;
  }

  /** Notes what the hub starts with. */
  async noteStart(): Promise<void> {
    const { config, document } = this.#inForce;
    const { activation, isNew } = await this.#note(config, document, 'start', 'hub');
    if (isNew)
      this.#ports.log.info('configuration is in force', {
        configVersion: config.version,
        previous: activation.previous,
      });
  }

  /** Takes what the file says now. @throws {HubError} `config.not-taken` with all that is wrong; nothing has changed */
  reload(change: Change): Promise<Taken> {
    return this.#oneAtATime(async () => {
      const stamp = await this.#stamp();
      try {
        const taken = await this.#take(required(this.#source.read(), this.#source.file), change.cause, change.actor);
        this.#problem = undefined;
        return taken;
      } catch (thrown) {
        const error = toHubError(thrown);
        if (error.code === 'config.not-taken') this.#problem = { stamp, error: adviced(error, this.current.version) };
        throw error;
      }
    });
  }

  /** Takes what was in force before, by its version. @throws {HubError} `resource.not-found`, `config.not-taken` */
  rollback(version: string, actor: string): Promise<Taken> {
    return this.#oneAtATime(async () => {
      const text = await this.#ports.ledger.configuration.document(version);
      if (text === undefined)
        throw new HubError('resource.not-found', { detail: `${version} was never in force here` });
      // Whose document it was may have been another node's.
      const document = onNode(JSON.parse(text), this.current.hub.node);
      const taken = await this.#take(required(this.#source.readDocument(document), undefined), 'rollback', actor);
      await this.#compareWithFile();
      return { ...taken, fileDiffers: this.#problem !== undefined };
    });
  }

  /** For a readiness probe: resolves while what is in force is what the file says. @throws {HubError} `config.*` */
  async check(): Promise<void> {
    // Read again only when it was written: most probes find it as it was.
    if (this.#problem !== undefined && this.#problem.stamp !== (await this.#stamp())) await this.#compareWithFile();
    if (this.#problem !== undefined) throw this.#problem.error;
  }

  async #take(loaded: LoadedWell, cause: ActivationCause, actor: string): Promise<Taken> {
    const { ledger, log, prepare } = this.#ports;
    const { config: next, document } = loaded;
    const now = this.#inForce;
    const previous = now.config.version;
    const result = {
      version: next.version,
      previous,
      differences: differences(now.document, document),
      warnings: loaded.warnings.map(mistakeLine),
      fileDiffers: false,
    };
    if (next.version === previous) return { ...result, isNew: false };
    const impossible = restartNeeded(now.config, next);
    if (impossible.length > 0) throw notTaken(impossible);

    const prepared = await prepare(next).catch((thrown: unknown) => {
      const error = toHubError(thrown);
      if (error.code !== 'config.invalid') throw error;
      // A secret that is not there, a host that nobody knows: found only when somebody needs it.
      const lines = loaded.secrets.map(mistakeLine);
      throw notTaken(lines.length > 0 ? lines : [String(error.fields['detail'])], error);
    });
    try {
      // Before anything is decided by it: an event never names a version that nobody can look up.
      await this.#note(next, document, cause, actor);
    } catch (error) {
      prepared.discard();
      throw error;
    }
    prepared.commit();
    this.#inForce = { config: next, document };
    log.info('configuration is in force', { configVersion: next.version, previous, cause, actor });
    for (const warning of result.warnings) log.warn('configuration warning', { warning });
    if (cause !== 'request' && cause !== 'rollback') {
      // What comes through the API is audited there.
      const data = {
        actor,
        role: 'hub',
        action: 'configuration.reload',
        subject: next.version,
        outcome: 'done' as const,
      };
      await ledger.events.append([{ type: 'action.audited', stream: 'hub.audit.v1', key: actor, data }]);
    }
    return { ...result, isNew: true };
  }

  async #note(config: Config, document: unknown, cause: ActivationCause, actor: string) {
    const { ledger, node } = this.#ports;
    const { file } = this.#source;
    return ledger.configuration.activate({
      ...{ version: config.version, document: JSON.stringify(document), cause, actor, node },
      ...(file === undefined || cause === 'rollback' ? {} : { file }),
    });
  }

  async #compareWithFile(): Promise<void> {
    this.#problem = undefined;
    const { file } = this.#source;
    if (file === undefined) return;
    const stamp = await this.#stamp();
    const loaded = this.#source.read();
    const { version } = this.current;
    if (loaded.mistakes !== undefined) {
      this.#problem = { stamp, error: adviced(notTaken(loaded.mistakes.map(mistakeLine)), version) };
    } else if (loaded.config.version !== version) {
      const advice = `in force is ${version}, the file says ${loaded.config.version}`;
      this.#problem = { stamp, error: new HubError('config.file-differs', { advice }) };
    }
  }

  #stamp(): Promise<string> {
    return fileStamp(this.#source.file);
  }

  #oneAtATime<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#changing.then(work);
    // Whoever asked is told; the next one begins all the same.
    this.#changing = result.catch(() => undefined);
    return result;
  }
}

type LoadedWell = Extract<Loaded, { readonly mistakes?: undefined }>;

function required(loaded: Loaded, file: string | undefined): LoadedWell {
  if (loaded.mistakes === undefined) return loaded;
  throw notTaken([...(file === undefined ? [] : [`${file} is not valid`]), ...loaded.mistakes.map(mistakeLine)]);
}

function notTaken(lines: readonly string[], cause?: unknown): HubError {
  return new HubError('config.not-taken', { detail: lines.join('\n  ') }, cause);
}

/** What a probe may show: it has no token, and a mistake may quote what was written. */
function adviced(error: HubError, version: string): HubError {
  return new HubError(error.code, { ...error.fields, advice: `in force is ${version}; hub check lists what is wrong` });
}

function onNode(document: unknown, node: string): unknown {
  if (typeof document !== 'object' || document === null || !('hub' in document)) return document;
  const { hub } = document;
  return typeof hub === 'object' && hub !== null && 'node' in hub ? { ...document, hub: { ...hub, node } } : document;
}
