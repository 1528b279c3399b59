/** What a thread needed to start, and does not need to run. */
import { flushCompileCache } from 'node:module';

/**
 * Gives back what loading and starting left: what was read of the compile cache, which is kept until it is written, and a
 * heap of which a third is garbage that V8 would keep for as long as nobody wants more. The thread stands still meanwhile,
 * for a tenth of a second: it is called once, by whoever has just started and has nothing to do yet.
 */
export function giveBackMemory(): void {
  // First: it is memory of this thread until then, and what other threads start with afterwards is there compiled.
  flushCompileCache();
  // Of a Node that was started without `--expose-gc` (a test's) it is undefined: nothing is promised about its memory.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
