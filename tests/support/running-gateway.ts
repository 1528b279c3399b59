/** A gateway on a free port and a temporary folder, with the real ledger behind it and a log that can be looked at. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../../core/ledger.ts';
import type { Clock, LogFields, Logger } from '../../core/ports.ts';
import { openGateway } from '../../gateway/gateway.ts';
import type { GatewayOptions, GatewayPorts } from '../../gateway/options.ts';
import type { Gateway } from '../../gateway/running-gateway.ts';
import { openSpoolFolder, type SpoolFiles } from '../../gateway/spool/files.ts';
import { openSqliteLedger } from '../../platform/ledger/sqlite/client.ts';
import { createMetrics } from '../../platform/metrics.ts';

export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields: LogFields;
}

export interface RunningGateway {
  readonly gateway: Gateway;
  readonly port: number;
  readonly ledger: Ledger;
  readonly dataDir: string;
  readonly lines: readonly LogLine[];
  /** Writes to `lines`. */
  readonly log: Logger;
  /** The Prometheus page. */
  metrics(): Promise<string>;
  /** Stops gateway and ledger; the folder stays. */
  stop(): Promise<void>;
  /** Stops, and removes the folder. */
  remove(): Promise<void>;
}

export interface GatewaySettings {
  readonly dataDir?: string;
  readonly dimse?: Partial<NonNullable<GatewayOptions['dimse']>>;
  readonly options?: Partial<Omit<GatewayOptions, 'dataDir' | 'dimse'>>;
  /** Wraps the real files, to watch or to break them. */
  readonly files?: (real: SpoolFiles) => SpoolFiles;
  /** The real one unless a test sets it. */
  readonly clock?: Clock;
  /** Wraps the real ledger. */
  readonly ledger?: (real: Ledger) => Ledger;
  /** Knows study folders in watched folders. */
  readonly studies?: NonNullable<GatewayPorts['studies']>;
  readonly hasAccess?: NonNullable<GatewayPorts['hasAccess']>;
  /** An object store; `options.shipping` goes with it. */
  readonly remote?: NonNullable<GatewayPorts['remote']>;
}

const STOP_DEADLINE_MS = 5_000;

export async function startGateway(settings: GatewaySettings = {}): Promise<RunningGateway> {
  const dataDir = settings.dataDir ?? (await mkdtemp(join(tmpdir(), 'hub-gateway-')));
  await mkdir(dataDir, { recursive: true });
  const clock = settings.clock ?? { now: () => new Date() };
  const lines: LogLine[] = [];
  const log = recorder(lines, {});
  const metrics = createMetrics();
  const ledger = await openSqliteLedger({ file: join(dataDir, 'ledger.db'), log, clock });
  const real = await openSpoolFolder(join(dataDir, 'spool'));
  const gateway = await openGateway(
    {
      ledger: settings.ledger?.(ledger) ?? ledger,
      log,
      metrics,
      clock,
      files: settings.files?.(real) ?? real,
      ...(settings.remote === undefined ? {} : { remote: settings.remote }),
      ...(settings.hasAccess === undefined ? {} : { hasAccess: settings.hasAccess }),
      ...(settings.studies === undefined ? {} : { studies: settings.studies }),
    },
    {
      dataDir,
      completion: { quietMs: 60_000, forceMs: 5_400_000 },
      // The machine that runs the tests may be as full as it likes.
      disk: { maxUsedFraction: 1, minFreeBytes: 0 },
      ...settings.options,
      dimse: {
        host: '127.0.0.1',
        port: 0,
        titles: [{ aeTitle: 'HUB', storageCommitment: true }],
        sources: [],
        ...settings.dimse,
      },
    },
  );
  await gateway.accept();
  if (gateway.dimsePort === undefined) throw new Error('the gateway has no DIMSE port');
  const stop = async () => {
    await gateway.stop(STOP_DEADLINE_MS);
    await ledger.close();
  };
  return {
    gateway,
    port: gateway.dimsePort,
    ledger,
    dataDir,
    lines,
    log,
    metrics: async () => (await metrics.render()).body,
    stop,
    remove: async () => {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function recorder(lines: LogLine[], bound: LogFields): Logger {
  const write = (level: LogLine['level']) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message, fields: { ...bound, ...fields } });
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: (fields) => recorder(lines, { ...bound, ...fields }),
  };
}
