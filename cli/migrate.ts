/** `hub migrate`: takes the hub of one machine (a ledger in a file, packs in the data folder) to what another configuration names. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { processEnvironment } from '../config/environment.ts';
import { HubError } from '../core/errors.ts';
import { openSpoolFolder } from '../gateway/spool/files.ts';
import { openHubStore } from '../wiring/hub-store.ts';
import { ledgerPlace } from '../wiring/ledger-place.ts';
import { openDataFolder } from '../platform/data-folder.ts';
import { copyLedger } from '../platform/ledger/move/copy.ts';
import { type MoveTarget, openMoveTarget } from '../platform/ledger/move/postgres-side.ts';
import { type MovedLedger, openMovedLedger } from '../platform/ledger/move/sqlite-side.ts';
import { MOVED_TABLES } from '../platform/ledger/move/tables.ts';
import { openLedgerForReading } from '../platform/ledger/open.ts';
import type { OpenStore } from '../platform/store/open.ts';
import { identityOf } from '../wiring/replica-keys.ts';
import { type Config, configShapes } from '../wiring/shapes.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, requireConfig } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import {
  type BytesPlan,
  type BytesPorts,
  copyBytes,
  markBucket,
  planBytes,
  requireOwnBucket,
  rowMap,
} from './migrate-bytes.ts';
import { type Move, requireMove } from './migrate-checks.ts';
import { storedOf, verifyBytes } from './migrate-verify.ts';
import { progressBar } from './progress.ts';
import { interruptible } from './signals.ts';
import { bytesText, json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  config: CONFIG_OPTION,
  to: { type: 'string', value: 'FILE', about: 'the configuration of the hub as it shall be' },
  'dry-run': { type: 'boolean', about: 'say what would be moved, and change nothing' },
  sample: { type: 'string', value: 'N', about: 'read each Nth object at its new place, instead of all of them' },
  json: JSON_OPTION,
} as const;

export async function migrate(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [extra] = positionals;
  if (extra !== undefined) throw new HubError('command.usage', { detail: `migrate takes no ${extra}` });
  if (values.to === undefined) throw new HubError('command.usage', { detail: 'to what? --to FILE' });
  const every = Number(values.sample ?? 1);
  if (!Number.isInteger(every) || every < 1)
    throw new HubError('command.usage', { detail: '--sample takes 1, 2, 3 …' });
  const shapes = configShapes();
  const from = requireConfig(values, shapes);
  const target = requireConfig({ config: values.to }, shapes);
  const move = requireMove(from, target);
  const say = values.json === true ? to.err : to.out;
  const done = await perform(move, { file: values.to, isDryRun: values['dry-run'] === true, every, say });
  if (values.json === true) to.out(json(done));
  return EXIT.done;
}

interface Wanted {
  /** As it was named. */
  readonly file: string;
  readonly isDryRun: boolean;
  readonly every: number;
  readonly say: (line: string) => void;
}

interface Open extends BytesPorts {
  readonly move: Move;
  readonly source: MovedLedger;
  /** Undefined: the ledger stays in its file. */
  readonly database: MoveTarget | undefined;
  /** Where the hub read until now, and where it will. */
  readonly before: OpenStore;
  readonly after: OpenStore;
}

async function perform(move: Move, wanted: Wanted): Promise<unknown> {
  const env = processEnvironment();
  const { from, to } = move;
  const folder = resolve(from.hub.data);
  const file = join(folder, 'ledger.db');
  if (!existsSync(file) && !existsSync(`${file}.moved`)) {
    throw new HubError('resource.not-found', { detail: `there is no ledger in ${folder}` });
  }
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const identity = await identityOf(await openDataFolder(folder, env));
    const place = ledgerPlace(to, env);
    const connect = async () => {
      if (place.kind === 'sqlite') return undefined;
      const opened = await openMoveTarget(place.server, identity);
      undo.push(() => opened.close());
      return opened;
    };
    if (!existsSync(file)) return await alreadyMoved(await connect(), wanted);
    const source = openMovedLedger(file, wanted.isDryRun);
    undo.push(() => {
      source.close();
      return Promise.resolve();
    });
    const ledger = await openLedgerForReading({ kind: 'sqlite' }, file);
    let isLedgerOpen = true;
    const closeLedger = async () => {
      if (isLedgerOpen) await ledger.close();
      isLedgerOpen = false;
    };
    undo.push(closeLedger);
    const database = await connect();
    const open = async (config: Config['store']) => {
      const opened = await openHubStore(config, env, folder);
      undo.push(() => opened.close());
      return opened;
    };
    const [local, before, after] = [await open({ kind: 'file' }), await open(from.store), await open(to.store)];
    const files = await openSpoolFolder(join(folder, 'spool'));
    const ports = { files, ledger, node: to.hub.node, identity, local, target: move.isStoreMoved ? after : undefined };
    return await run({ ...ports, move, source, database, before, after }, wanted, closeLedger);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

async function run(open: Open, wanted: Wanted, closeLedger: () => Promise<void>): Promise<unknown> {
  const { source, database, target, identity, move } = open;
  const { say, isDryRun, every } = wanted;
  const state = await database?.state();
  if (state?.kind === 'finished') {
    if (state.head !== source.head()) {
      const detail = `this hub was moved on ${state.at}, and has gone on here since: both have what the other has not`;
      throw new HubError('move.refused', { detail });
    }
    await closeLedger();
    if (!isDryRun) await source.putAside();
    return await alreadyMoved(database, wanted);
  }
  const isMarked = target === undefined || move.isSameBucket || (await requireOwnBucket(target, identity));
  const plan = await planBytes(open);
  if (plan.untold > 0) {
    const detail =
      `${String(plan.untold)} objects were acknowledged and are not in the ledger yet. Start the hub once more as it is, ` +
      'stop it when it is ready and hub_spool_pending_bytes is 0, and come again';
    throw new HubError('move.refused', { detail });
  }
  const rows = Object.fromEntries(MOVED_TABLES.map((table) => [table.name, source.count(table)]));
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  say(`to move: ${amounts(plan, database === undefined ? 0 : total)}`);
  if (isDryRun) return { isDryRun, rows: database === undefined ? {} : rows, packs: plan.packs, bytes: plan.bytes };

  return await interruptible(async (signal) => {
    // Before the bytes, which take longest: a hub that is started meanwhile would begin an empty ledger there, and receive.
    await database?.begin();
    if (target !== undefined && !isMarked) await markBucket(target, identity, signal);
    const packs = await withBar('bytes', plan.bytes, (step) => copyBytes(plan, open, signal, step));
    if (plan.packs > 0) say(`${String(packs.copied)} packs copied, ${String(packs.already)} were there`);
    const objects = await verified(open, plan, every, signal);
    say(`${String(objects.read)} objects read at their new place: the same bytes as here`);
    if (objects.damaged > 0)
      say(`${String(objects.damaged)} of them were damaged or gone here already (hub store verify), and are so there`);
    for (const ref of objects.damagedBefore) say(`  ${ref}`);
    const map = rowMap(plan.mapRef, database === undefined ? undefined : open.node);
    const summary = { packs, objects, bytes: plan.bytes };
    if (database === undefined) {
      const changed = await source.rewrite(map);
      say(`${String(changed)} rows of the ledger name the new places`);
      return await finished(open, wanted, { ...summary, rows: {}, changed });
    }
    const counts = await withBar('rows', total, (step) =>
      copyLedger({
        ...{ source, target: database, map, signal },
        onRows: (_, count) => step(count),
        onStartOver: () => say('the hub has run since the last attempt: the rows are copied from the beginning'),
      }),
    );
    say(`${String(total)} rows in ${String(MOVED_TABLES.length)} tables: the same there as here`);
    // From here on hubs may begin there; a crash before the next line is met by the next attempt.
    await database.finish(source.head());
    await closeLedger();
    const aside = await source.putAside();
    say(`the ledger of before is kept as ${aside}`);
    return await finished(open, wanted, { ...summary, rows: counts, aside });
  });
}

const amounts = ({ packs, bytes }: BytesPlan, rows: number): string =>
  [
    ...(rows === 0 ? [] : [`${String(rows)} rows of the ledger`]),
    ...(packs === 0 ? [] : [`${bytesText(bytes)} in ${String(packs)} packs`]),
  ].join(', ') || 'nothing';

async function verified({ source, before, after }: Open, { mapRef }: BytesPlan, every: number, signal: AbortSignal) {
  let objects = 0;
  for await (const _ of storedOf(source)) objects += 1;
  return await withBar('objects', Math.ceil(objects / every), (step) =>
    verifyBytes(source, { mapRef, before: before.objects, after: after.objects }, every, signal, () => step(1)),
  );
}

async function withBar<Result>(
  label: string,
  total: number,
  work: (step: (by: number) => void) => Promise<Result>,
): Promise<Result> {
  const bar = progressBar(label, total);
  let done = 0;
  try {
    return await work((by) => bar.update((done += by)));
  } finally {
    bar.stop();
  }
}

/** What is left to do, by hand. */
async function finished({ move, node }: Open, { file, say }: Wanted, summary: object): Promise<unknown> {
  const { from, to, isStoreMoved, isLedgerMoved } = move;
  const isSameFolder = resolve(from.hub.data) === resolve(to.hub.data);
  const keys = await keysOf(resolve(from.hub.data));
  const next = [
    ...(isLedgerMoved && keys.length > 0
      ? [
          `replicas with another data folder need the same keys: ${keys.map(({ variable, name }) => `${variable} (what stands in keys/${name})`).join(', ')}`,
        ]
      : []),
    ...(isStoreMoved && isSameFolder
      ? [
          'segments leave the spool by themselves once the hub runs; packs in store/ are not read any more and may be removed',
        ]
      : []),
    ...(isSameFolder
      ? []
      : ['keep the old data folder, without starting a hub on it, until you have seen the new one work']),
    `start the hub: hub start --config ${file}  (hub.node ${node} has what was received)`,
  ];
  for (const line of next) say(line);
  return { ...summary, node, next };
}

async function alreadyMoved(database: MoveTarget | undefined, { file, say }: Wanted): Promise<unknown> {
  const state = await database?.state();
  if (state?.kind !== 'finished') {
    const detail = 'the ledger was moved, and not to this target: it is kept as ledger.db.moved';
    throw new HubError('move.refused', { detail });
  }
  const next = [`start the hub: hub start --config ${file}`];
  say(`moved already, on ${state.at}`);
  for (const line of next) say(line);
  return { movedAt: state.at, next };
}

/** Those that all replicas have in common. */
async function keysOf(folder: string): Promise<readonly { readonly variable: string; readonly name: string }[]> {
  const names = await readdir(join(folder, 'keys')).catch(() => []);
  return names
    .filter((name) => name.endsWith('.key') && name !== 'replica.key')
    .toSorted()
    .map((name) => ({ name, variable: `HUB_${basename(name, '.key').toUpperCase().replaceAll('-', '_')}_KEY` }));
}
