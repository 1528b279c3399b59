/** What a thread needed to start or in a busy hour, and does not need to run. */
import { flushCompileCache } from 'node:module';
import { getHeapStatistics } from 'node:v8';

/** Between two looks. */
const LOOK_MS = 5_000;
/**
 * A thread that was idle at so many of them may stand still for a moment. Not sooner: compiled code that nobody runs goes
 * with the garbage, and a burst that follows another within seconds would begin at the speed of a start.
 */
const IDLE_LOOKS = 3;
const IDLE_SHARE = 0.1;
/** Less is not worth a collection. */
const WORTH_BYTES = 8 * 1024 * 1024;

/**
 * Gives back what loading and starting left: what was read of the compile cache, which is kept until it is written, and a
 * heap of which a third is garbage that V8 would keep for as long as nobody wants more. The thread stands still meanwhile,
 * for a tenth of a second: it is called once, by whoever has just started and has nothing to do yet. From then on the
 * garbage of busy hours is given back too, whenever the thread is idle.
 *
 * @param lookMs - how often it is looked whether it is
 */
export function giveBackMemory(lookMs = LOOK_MS): void {
  // First: it is memory of this thread until then, and what other threads start with afterwards is there compiled.
  flushCompileCache();
  // Of a Node that was started without `--expose-gc` (a test's) it is undefined: nothing is promised about its memory.
  const { gc } = globalThis;
  if (gc === undefined) return;
  gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  giveBackWhenIdle(() => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }), lookMs);
}

/** V8 collects when somebody wants memory, so a thread that has nothing to do keeps what its last burst left. */
function giveBackWhenIdle(collect: () => void, lookMs: number): void {
  let kept = heldBytes();
  let before = performance.eventLoopUtilization();
  let idleLooks = 0;
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    // Less than before: what a collection of V8's own has left is what the next ones are measured by.
    kept = Math.min(kept, heldBytes());
    idleLooks = utilization > IDLE_SHARE ? 0 : idleLooks + 1;
    if (idleLooks < IDLE_LOOKS || heldBytes() - kept < WORTH_BYTES) return;
    collect();
    kept = heldBytes();
    // What it took was no work.
    before = performance.eventLoopUtilization();
  }, lookMs).unref();
}

function heldBytes(): number {
  const { total_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
  return heapBytes + externalBytes;
}
