/** `hub start`: runs the hub until a signal stops it. */
import { processEnvironment } from '../config/environment.ts';
import { mistakeLine } from '../config/mistakes.ts';
import { type Hub, startHub } from '../app.ts';
import { watchFile } from '../wiring/watch-file.ts';
import { HubError, toHubError } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import { createLogger } from '../platform/logger.ts';
import { KEY_PURPOSES } from '../wiring/replica-keys.ts';
import { configShapes, type Stage, STAGES } from '../wiring/shapes.ts';
import { readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION, invalidConfig, requireSource } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { untilSignal } from './signals.ts';
import { terminal } from './terminal.ts';

const OPTIONS = {
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  stages: { type: 'string', value: 'LIST', about: `only these, joined by commas: ${STAGES.join(',')}` },
  'accept-key': {
    type: 'string',
    value: 'PURPOSE',
    multiple: true,
    about: 'the key that is now there is meant to replace the one before: crosswalk, deidentify, …',
  },
} as const;

export async function start(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  if (positionals.length > 0)
    throw new HubError('command.usage', { detail: `start takes no ${positionals.join(' ')}` });
  const stages = parseStages(values.stages);
  const acceptedKeys = parsePurposes(values['accept-key'] ?? []);
  const { config, source, warnings, secrets } = requireSource(values, configShapes());
  const log = createLogger({ level: config.log.level, format: config.log.format === 'text' ? 'pretty' : 'json' }).child(
    { hub: config.hub.name },
  );
  if (stages.size < STAGES.length && (config.store.kind === 'file' || config.ledger.kind === 'sqlite')) {
    // Allowed, for one data folder has one process: what is received waits for a start with the other stages.
    log.warn('stages elsewhere can share neither a ledger nor a store in files: what needs them waits', {
      missing: STAGES.filter((stage) => !stages.has(stage)),
    });
  }
  const ended = new AbortController();
  let failure: HubError | undefined;
  const hub = await startHub({
    config,
    source,
    env: processEnvironment(),
    log,
    stages,
    acceptedKeys,
    onFirstToken: showToken,
    onFailure: (error) => {
      failure = error;
      ended.abort();
    },
  }).catch((thrown: unknown) => {
    const error = toHubError(thrown);
    // Whoever needs a secret knows only what is wrong with it, not where it is asked for.
    throw error.code === 'config.invalid' && secrets.length > 0 ? invalidConfig(secrets.map(mistakeLine)) : error;
  });
  for (const warning of warnings) log.warn('configuration warning', { warning: mistakeLine(warning) });
  announce(hub, config.hub.name);
  log.info('hub started', {
    configVersion: config.version,
    dimsePort: hub.dimsePort,
    dimseTlsPort: hub.dimseTlsPort,
    httpPort: hub.httpPort,
    metricsPort: hub.metricsPort,
    stages: [...stages],
  });
  const stopReloading = reloadWhenTold(hub, log);
  await untilSignal(ended.signal);
  stopReloading();
  log.info('hub stopping');
  await hub.stop();
  log.info('hub stopped');
  if (failure !== undefined) throw failure;
  return EXIT.done;
}

/** At each SIGHUP, and when the file was written if the configuration says so. What is wrong with it is in the log, all of it. */
function reloadWhenTold({ live }: Hub, log: Logger): () => void {
  if (live === undefined) return () => undefined;
  const reload = (cause: 'signal' | 'file') => {
    live.reload({ cause, actor: cause }).catch((thrown: unknown) => {
      const { code, fields } = toHubError(thrown);
      log.error('configuration was not taken', {
        cause,
        code,
        detail: fields['detail'],
        configVersion: live.current.version,
      });
    });
  };
  const onSignal = () => reload('signal');
  process.on('SIGHUP', onSignal);
  const { file, current } = live;
  const stopWatching =
    file === undefined || current.hub.reload !== 'watch' ? undefined : watchFile(file, () => reload('file'));
  return () => {
    process.off('SIGHUP', onSignal);
    stopWatching?.();
  };
}

/** The token is on standard output, once, and in no log. */
function announce(hub: Hub, name: string): void {
  const { dimsePort, dimseTlsPort } = hub;
  const secure =
    dimseTlsPort === undefined ? '' : dimseTlsPort === dimsePort ? ' with TLS' : `, ${String(dimseTlsPort)} with TLS`;
  terminal.out(
    `${name} is up: DIMSE ${String(dimsePort ?? 'off')}${secure}, HTTP ${String(hub.httpPort ?? 'off')}, data ${hub.dataFolder.path}`,
  );
  if (hub.firstToken !== undefined) showToken(hub.firstToken);
}

function showToken(token: string): void {
  terminal.out(`admin token, shown this once: ${token}`);
}

function parsePurposes(names: readonly string[]): ReadonlySet<string> {
  const unknown = names.filter((name) => !KEY_PURPOSES.includes(name));
  if (unknown.length > 0)
    throw new HubError('command.usage', {
      detail: `no such key: ${unknown.join(', ')}; there are ${KEY_PURPOSES.join(', ')}`,
    });
  return new Set(names);
}

function parseStages(list: string | undefined): ReadonlySet<Stage> {
  if (list === undefined) return new Set(STAGES);
  const isStage = (name: string): name is Stage => STAGES.some((stage) => stage === name);
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !isStage(name));
  if (unknown.length > 0)
    throw new HubError('command.usage', {
      detail: `no such stage: ${unknown.join(', ')}; there are ${STAGES.join(', ')}`,
    });
  return new Set(names.filter(isStage));
}
