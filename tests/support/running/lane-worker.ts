/** One lane of a run: is told a file at a time, runs it, and answers with what was to be printed. */
import process from 'node:process';
import type { LaneAnswer, LaneOrder } from './lanes.ts';
import { collectRejections, runTestFile } from './test-file.ts';

const rejections = collectRejections();
// Whoever ran it was killed: nobody reads what comes of it, and peers end with it.
process.once('disconnect', () => process.exit(1));

process.on('message', (order: LaneOrder) => {
  if ('file' in order) void runOne(order);
  else void end();
});

async function runOne({ file, options }: Extract<LaneOrder, { file: string }>): Promise<void> {
  const lines: string[] = [];
  const counts = await runTestFile(file, options, (line) => lines.push(line));
  answer({ lines, counts });
}

async function end(): Promise<void> {
  const lines = await rejections();
  answer({ lines, counts: { passed: 0, failed: lines.length, skipped: 0 } });
  // A handle that a test left open must not hang the run for ever; peers are ended by their own exit hook.
  process.disconnect();
  process.exit();
}

function answer(message: LaneAnswer): void {
  process.send?.(message);
}
