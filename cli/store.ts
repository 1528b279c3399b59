/** `hub store usage | export | verify | rebuild | disown | backup | restore`: what the data folder holds, for whoever looks after it. */
import { access, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import type { KeptBecause, UsageRow } from '../core/ledger/retention.ts';
import { type Catalogue, openIfThere, readCatalogue } from '../gateway/spool/catalogue.ts';
import { exportInstances } from '../gateway/spool/export.ts';
import { syncFolder } from '../gateway/spool/files.ts';
import { isPack, type ReadSegments } from '../gateway/spool/pack-segments.ts';
import { rebuildLedger } from '../gateway/spool/rebuild.ts';
import { verifySpool } from '../gateway/spool/verify.ts';
import { openSqliteLedger } from '../platform/ledger/sqlite/client.ts';
import { lockExclusively } from '../platform/ledger/sqlite/driver.ts';
import { processEnvironment } from '../config/environment.ts';
import { ledgerPlace } from '../wiring/ledger-place.ts';
import { openLedgerForReading } from '../platform/ledger/open.ts';
import { type Config, configShapes } from '../wiring/shapes.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION, requireConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { progressBar } from './progress.ts';
import { openReceivedSegments, type ReceivedSegments } from './received-segments.ts';
import { interruptible } from './signals.ts';
import { backup, restore, type Said } from './store-backup.ts';
import { bytesText, columns, json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  study: { type: 'string', value: 'UID', about: 'export: only this study' },
  route: {
    type: 'boolean',
    about: 'rebuild: route and deliver all studies again; else each is held until it is released',
  },
  keep: { type: 'string', value: 'N', about: 'backup: keep the newest N backups, remove older ones' },
  'without-keys': { type: 'boolean', about: 'backup: leave the keys out; you keep them elsewhere' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

/** Verbs that take a path, and what it is. */
const PATHS: Readonly<Record<string, string>> = {
  export: 'to which folder',
  backup: 'to which folder',
  restore: 'which backup',
};

export async function store(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb, out, ...more] = positionals;
  const refuse = (detail: string) => new HubError('command.usage', { detail });
  const takesPath = PATHS[verb ?? ''];
  if (takesPath !== undefined && out === undefined) throw refuse(`${verb ?? ''}: ${takesPath}?`);
  if (more.length > 0 || (takesPath === undefined && out !== undefined))
    throw refuse(`${verb ?? ''} takes no ${more[0] ?? out ?? ''}`);
  if (values.study !== undefined && verb !== 'export') throw refuse('--study belongs to export');
  if (values.route === true && verb !== 'rebuild') throw refuse('--route belongs to rebuild');
  if ((values.keep !== undefined || values['without-keys'] === true) && verb !== 'backup')
    throw refuse('--keep and --without-keys belong to backup');
  const config = requireConfig(values, configShapes());
  const said = await perform(verb, config, {
    ...{ out: out ?? '', study: values.study, isRouted: values.route === true },
    ...{ keep: values.keep, withoutKeys: values['without-keys'] === true },
  });
  if (values.json === true) to.out(json(said.answer));
  else for (const line of said.lines) to.out(line);
  return said.exit ?? EXIT.done;
}

interface Wanted {
  readonly out: string;
  readonly study: string | undefined;
  readonly isRouted: boolean;
  readonly keep: string | undefined;
  readonly withoutKeys: boolean;
}

async function perform(verb: string | undefined, config: Config, wanted: Wanted): Promise<Said> {
  switch (verb ?? '') {
    case 'usage':
      return await usage(config);
    case 'export':
      return await lookThrough(config, (files) => exportTo(files, wanted));
    case 'verify':
      return await lookThrough(config, (files) => verify(files, config));
    case 'rebuild':
      return await lookThrough(config, (files, received) => rebuild(files, received, config, wanted.isRouted), true);
    case 'disown':
      return await disown(config);
    case 'backup':
      return await backup(config, { ...wanted, target: wanted.out });
    case 'restore':
      return await restore(config, wanted.out);
    default:
      throw new HubError('command.usage', {
        detail: `no ${verb ?? 'command'}: usage, export, verify, rebuild, disown, backup, restore`,
      });
  }
}

/** Looks through what was received. @param isStoredOnly - not at what only this machine's disk has */
async function lookThrough<T>(
  config: Config,
  look: (files: ReadSegments, received: ReceivedSegments) => Promise<T>,
  isStoredOnly = false,
): Promise<T> {
  const received = await openReceivedSegments(config);
  try {
    return await look(isStoredOnly ? received.stored : received.all, received);
  } finally {
    await received.close();
  }
}

const BECAUSE: Readonly<Record<KeptBecause, string>> = {
  receiving: 'still being received, or not complete yet',
  held: 'held: a quarantine entry has to be released first (hub quarantine list)',
  quarantine: 'something of the study is in quarantine (hub quarantine list)',
  routing: 'complete, not routed yet',
  unrouted: 'no route took it, or not every series and revision of it (hub routes explain)',
  processing: 'being processed',
  'dead-letter': 'dead letters (hub dead-letters list)',
  delivering: 'waiting for delivery',
  undelivered: 'processed, but some series has no destination, or an instance was replaced before it was routed',
  delivered: 'delivered; goes when it is older than gateway.retention.received',
};

async function usage(config: Config): Promise<Said> {
  const { segments, packs } = await sizes(config);
  const ledger = await ledgerOf(config);
  try {
    const rows = await ledger.retention.usage();
    let neededBytes = 0;
    for (const { name } of segments) neededBytes += await ledger.retention.neededBytes(name);
    const spoolBytes = total(segments);
    const received = rows.reduce((sum, { bytes }) => sum + bytes, 0);
    const answer = {
      spoolBytes,
      received: rows,
      quarantineBytes: Math.max(0, neededBytes - received),
      removableBytes: Math.max(0, spoolBytes - neededBytes),
      resultsBytes: total(packs),
    };
    const table = [
      ...rows.map((row) => [bytesText(row.bytes), count(row.studies, 'study', 'studies'), whyText(row)]),
      [bytesText(answer.quarantineBytes), '', 'in quarantine entries'],
      [
        bytesText(answer.removableBytes),
        '',
        'not needed any more, but in files with others; goes when the file is done or copied together',
      ],
      [bytesText(answer.resultsBytes), count(packs.length, 'pack'), 'results of processing'],
    ];
    const head = `${bytesText(spoolBytes)} received in ${count(segments.length, 'file')}, ${bytesText(answer.resultsBytes)} results`;
    return { answer, lines: [head, ...columns(table).map((line) => `  ${line}`)] };
  } finally {
    await ledger.close();
  }
}

function whyText({ because, destinations }: UsageRow): string {
  return destinations === undefined ? BECAUSE[because] : `${BECAUSE[because]}: ${destinations.replaceAll(',', ', ')}`;
}

async function exportTo(files: ReadSegments, { out, study }: Wanted): Promise<Said> {
  const catalogue = await readCatalogue(files);
  const bar = progressBar('instances', catalogue.entries.length);
  try {
    const done = await interruptible((signal) =>
      exportInstances(files, catalogue, { out, study, signal, onProgress: (instances) => bar.update(instances) }),
    );
    const lines = [
      `${count(done.written, 'instance')} written to ${out}, ${String(done.already)} were there already`,
      ...(done.otherContents === 0
        ? []
        : [`${String(done.otherContents)} of them are other contents of a SOP Instance UID: INSTANCE.DIGEST.dcm`]),
      ...(done.besides === 0
        ? []
        : [
            `${String(done.besides)} files of that name were there and are something else: they are left alone, the instance is beside them as INSTANCE.DIGEST.dcm`,
          ]),
      ...(done.quarantined === 0
        ? []
        : [`${String(done.quarantined)} refused objects are not copied: hub quarantine list`]),
      ...done.damaged.map((each) => `damaged: study ${each.studyInstanceUid} instance ${each.sopInstanceUid}`),
    ];
    if (study !== undefined && done.written + done.already + done.damaged.length === 0) {
      throw new HubError('resource.not-found', { detail: `nothing of study ${study} is here` });
    }
    return { answer: done, lines, exit: done.damaged.length === 0 ? EXIT.done : EXIT.failed };
  } finally {
    bar.stop();
  }
}

async function verify(files: ReadSegments, config: Config): Promise<Said> {
  const catalogue = await readCatalogue(files);
  const bar = progressBar(
    'bytes',
    catalogue.segments.reduce((sum, { endOffset }) => sum + endOffset, 0),
  );
  try {
    const found = await verifySpool(files, catalogue, await knownEnds(catalogue, config), (bytes) => bar.update(bytes));
    const lines = [
      `${count(found.records, 'object')}, ${bytesText(found.bytes)} read: ${found.damage.length === 0 ? 'all as they were written' : `${String(found.damage.length)} damaged`}`,
      ...found.damage.map(
        ({ segment, offset, what, studyInstanceUid = 'unknown', sopInstanceUid = 'unknown' }) =>
          `damaged ${what}: study ${studyInstanceUid} instance ${sopInstanceUid}, ${segment} at ${String(offset)}`,
      ),
    ];
    return { answer: found, lines, exit: found.damage.length === 0 ? EXIT.done : EXIT.failed };
  } finally {
    bar.stop();
  }
}

async function ledgerOf(config: Config) {
  return openLedgerForReading(ledgerPlace(config, processEnvironment()), join(config.hub.data, 'ledger.db'));
}

/** How far each must be whole: a segment as far as the ledger knows it, a pack to its last byte. */
async function knownEnds({ segments }: Catalogue, config: Config): Promise<ReadonlyMap<string, number>> {
  const packs = segments.filter(({ name }) => isPack(name));
  return new Map([
    ...(await recordedPositions(config)),
    ...packs.map(({ name, sizeBytes }) => [name, sizeBytes] as const),
  ]);
}

/** Without a ledger, or with a damaged one, nothing is known to have been recorded. */
async function recordedPositions(config: Config): Promise<ReadonlyMap<string, number>> {
  try {
    const ledger = await ledgerOf(config);
    try {
      return new Map((await ledger.instances.spoolPositions()).map(({ segment, offset }) => [segment, offset]));
    } finally {
      await ledger.close();
    }
  } catch (error) {
    if (error instanceof HubError) return new Map();
    throw error;
  }
}

const LOST = [
  'not rebuilt, because only the lost ledger knew it: routing decisions, runs, deliveries and dead letters, results in store/,',
  'events and timelines, tokens, what was released from quarantine, accepted patients.',
];

async function disown(config: Config): Promise<Said> {
  if (config.store.kind !== 's3')
    throw new HubError('command.usage', { detail: 'the store is this data folder: nobody else can have it' });
  const was = await lookThrough(config, (_, received) => received.giveUp());
  if (was === undefined) return { answer: {}, lines: ["the bucket is nobody's: the hub that starts next takes it"] };
  return {
    answer: { was },
    lines: [
      `the bucket was that of ledger ${was.ledger}, taken by ${was.node} at ${was.since}: it is nobody's now`,
      'the hub that starts next takes it, and removes nothing of what lies there',
      'a hub of the ledger before that still runs would take it back: stop it first',
    ],
  };
}

async function rebuild(
  files: ReadSegments,
  received: ReceivedSegments,
  config: Config,
  isRouted: boolean,
): Promise<Said> {
  const folder = config.hub.data;
  if (config.ledger.kind !== 'sqlite') {
    const detail = 'rebuild makes a ledger in a file; put a database back from its own backup';
    throw new HubError('command.usage', { detail });
  }
  const file = join(folder, 'ledger.db');
  const fresh = join(folder, 'ledger.rebuilt.db');
  const unlock = lockExclusively(`${file}.lock`);
  try {
    // Of a rebuild that was cut off: it is begun again from the segments, which are never changed here.
    for (const suffix of ['', '-wal', '-shm', '.lock']) await rm(`${fresh}${suffix}`, { force: true });
    const catalogue = await readCatalogue(files);
    let now = new Date();
    const ledger = await openSqliteLedger({ file: fresh, clock: { now: () => now }, onFailure: () => undefined });
    const bar = progressBar('objects', catalogue.entries.length);
    const { completion, dimse } = config.gateway;
    const own = new Map(dimse.sources.map((source) => [source.name, source.completion]));
    const built = await rebuildLedger(
      {
        files,
        ledger,
        completionOf: (source) => ({ ...completion, ...own.get(source) }),
        setNow: (at) => (now = at),
      },
      catalogue,
      isRouted,
      (done) => bar.update(done),
    ).finally(async () => {
      bar.stop();
      await ledger.close();
    });
    const aside = await exchange(folder, file, fresh);
    // It was that of the ledger that is lost; the new one takes it at the start.
    await received.giveUp();
    const lines = [
      `${count(built.instances, 'instance')} of ${count(built.studies, 'study', 'studies')} are in a new ledger, ${String(built.quarantined)} in quarantine as they were refused, ${String(built.damaged)} damaged`,
      ...(aside === undefined ? [] : [`the ledger that was there is kept as ${aside}`]),
      isRouted
        ? 'they are routed and delivered again when the hub starts: destinations may get what they have'
        : 'each study is held until you say so: hub quarantine release ENTRY routes and delivers it again (hub quarantine list)',
      ...LOST,
    ];
    return { answer: { ...built, lostLedger: aside }, lines };
  } finally {
    unlock();
  }
}

/**
 * Puts the new ledger where the old one was. First the old file's name goes: from then on a hub does not start without a
 * ledger, so a power cut in between cannot make it deliver everything again. Its WAL follows, so that it never meets the new file.
 */
async function exchange(folder: string, file: string, fresh: string): Promise<string | undefined> {
  const aside = `${file}.lost-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  const hadOne = await isThere(file);
  for (const suffix of ['', '-wal', '-shm']) {
    if (await isThere(`${file}${suffix}`)) await rename(`${file}${suffix}`, `${aside}${suffix}`);
  }
  await syncFolder(folder);
  await rename(fresh, file);
  await syncFolder(folder);
  await rm(`${fresh}.lock`, { force: true });
  return hadOne ? basename(aside) : undefined;
}

async function sizes(config: Config) {
  const received = await openReceivedSegments(config);
  try {
    const segments: { readonly name: string; readonly bytes: number }[] = [];
    for (const name of await received.all.list()) {
      const file = await openIfThere(received.all, name);
      if (file === undefined) continue;
      segments.push({ name, bytes: await file.sizeBytes() });
      await file.close();
    }
    return { segments, packs: await received.results() };
  } finally {
    await received.close();
  }
}

const total = (files: readonly { readonly bytes: number }[]): number =>
  files.reduce((sum, { bytes }) => sum + bytes, 0);

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
