// The entry of a worker thread with plug-ins that do what a test needs: work, wait, crash, hang, hold.
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { exit } from 'node:process';
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { HubError } from '../../core/errors.ts';
import type { ProcessorContext, ProcessorPlugin, ProcessorResult } from '../../core/plugins.ts';
import { openFileStore } from '../../platform/store/file.ts';
import { work } from '../../processors/work.ts';

const { dataDir } = workerData as { readonly dataDir: string };

/** `file`: what the plug-in makes, or waits for. */
type ToyOptions = { readonly file?: string };

const toy = (
  name: string,
  run: (context: ProcessorContext<ToyOptions>) => Promise<ProcessorResult> | ProcessorResult,
): ProcessorPlugin => ({
  name,
  resolve: (argument) => argument,
  load: () => Promise.resolve({ run: async (context) => await run({ ...context, options: context.options ?? {} }) }),
});

const passOn = ({ items }: ProcessorContext<ToyOptions>): ProcessorResult => ({ outcome: 'done', items, events: [] });

/** True the first time only. */
function isFirst({ options }: ProcessorContext<ToyOptions>): boolean {
  const file = options.file ?? '';
  if (existsSync(file)) return false;
  writeFileSync(file, '');
  return true;
}

const plugins: readonly ProcessorPlugin[] = [
  toy('thread', () => ({ outcome: 'held', reason: 'toy', detail: String(threadId), sopInstanceUids: [] })),
  {
    ...toy('broken', passOn),
    load: () => Promise.reject(new Error("Cannot find package 'gone' imported from /some/where.ts")),
  },
  toy('pass', passOn),
  toy('measure', async ({ items, quality, studyInstanceUid }) => {
    const question = { protocolKey: 'protocol', exceptScan: studyInstanceUid, limit: 10 };
    const past = (await quality?.past(question)) ?? [];
    const { serialNumber = 'none', source = 'none' } = (await quality?.device()) ?? {};
    const scan = {
      ...{ scanKey: `scan-${past.length}`, protocolKey: 'protocol', scannerKey: `${source} ${serialNumber}` },
      ...{ seriesInstanceUid: '2.25.8', kind: 'anatomical', verdict: 'pass', accepted: true, parameters: {} },
    };
    return { outcome: 'done', items, events: [], quality: [{ ...scan, measures: { past: past.length } }] };
  }),
  toy('release', async (context) => {
    const { items, pack, log } = context;
    context.progress(0.5);
    log.info('released by a toy', { instances: items.length });
    const released = [];
    for (const item of items) {
      const stored = await pack.append(Buffer.from(`clean ${released.length}`));
      if (item.kind === 'instance')
        released.push({ ...item, ...stored, studyInstanceUid: '2.25.7', releasedFor: 'kct' });
    }
    const report = await pack.append(Buffer.from('{}'));
    return {
      outcome: 'done',
      items: [
        ...released,
        { ...report, kind: 'artefact', name: 'qc/report.json', mediaType: 'application/json', derivedBy: 'release' },
      ],
      events: [
        {
          type: 'qc.completed',
          data: { verdict: 'pass', series: [], releasedStudyInstanceUid: '2.25.7', reportRef: report.blob },
        },
      ],
    };
  }),
  toy('hold', ({ items }) => ({
    outcome: 'held',
    reason: 'policy.unsafe',
    detail: 'a value of the original stands in the output',
    sopInstanceUids: items.flatMap((item) => (item.kind === 'instance' ? [item.sopInstanceUid] : [])).slice(0, 1),
  })),
  /** Keeps what it made: a person may let it go. */
  toy('judge', async ({ items, pack }) => {
    const report = await pack.append(Buffer.from('{"verdict":"fail"}'));
    const kept = { ...report, kind: 'artefact', name: 'qc/report.json', mediaType: 'application/json' } as const;
    const sopInstanceUids: readonly string[] = [];
    return {
      ...{ outcome: 'held', reason: 'quality.failed', detail: 'not sharp', sopInstanceUids },
      kept: { items: [...items, { ...kept, derivedBy: 'judge' }], events: [] },
    };
  }),
  toy('fail', () => Promise.reject(new HubError('processor.failed', { detail: 'a toy' }))),
  /** Until there is a file. */
  toy('without-store', (context) =>
    existsSync(context.options.file ?? '') ? passOn(context) : Promise.reject(new HubError('store.unreachable')),
  ),
  toy('refuse', () => Promise.reject(new HubError('model.invalid', { detail: 'a toy' }))),
  toy('exit-once', (context) => {
    if (isFirst(context)) exit(3);
    return passOn(context);
  }),
  toy('crash-once', async (context) => {
    if (!isFirst(context)) return passOn(context);
    setImmediate(() => {
      throw new TypeError('nobody catches this');
    });
    return await new Promise(() => {});
  }),
  toy('spin-once', (context) => {
    if (!isFirst(context)) return passOn(context);
    for (;;);
  }),
  /** Looks at nothing. */
  toy('deaf', () => {
    for (;;);
  }),
  /** Writes, then waits for a file, or stops when told to. */
  toy('wait', async (context) => {
    await context.pack.append(Buffer.from('half done'));
    context.progress(1);
    while (!existsSync(context.options.file ?? '')) await delay(20, undefined, { signal: context.signal });
    return passOn(context);
  }),
  /** Waits for a file, then fails the first time it gets that far. */
  toy('wait-then-fail-once', async (context) => {
    context.progress(1);
    const file = context.options.file ?? '';
    while (!existsSync(file)) await delay(20, undefined, { signal: context.signal });
    if (isFirst({ ...context, options: { file: `${file}.failed` } })) throw new HubError('processor.failed', {});
    return passOn(context);
  }),
  /** An event of another shape than its schema: the ledger does not take it. */
  toy('bad-event', ({ items }) => ({
    outcome: 'done',
    items,
    events: [
      {
        type: 'qc.completed',
        data: { verdict: 'pass', series: [], releasedStudyInstanceUid: 'not a UID', reportRef: '' },
      },
    ],
  })),
];

if (parentPort !== null)
  work(parentPort, { plugins, store: openFileStore(dataDir), secret: async () => new Uint8Array(32) });
