/** `npm run bench -- NAME [OPTIONS]`: side-by-side benchmarks against peers, each in a file of its own. */
import { benchBus } from './bus.ts';
import { benchCStore, INGEST, LARGE, SMALL } from './c-store.ts';
import { benchCompletion } from './completion.ts';
import { benchDeidentify } from './deidentify.ts';
import { benchDelivery } from './delivery.ts';
import { benchJourney } from './delivery-journey.ts';
import { benchFlat } from './flat.ts';
import { benchMemory } from './memory.ts';
import { benchProcessing } from './processing.ts';
import { benchReliability } from './reliability.ts';
import { benchScale } from './scale.ts';
import { benchSend } from './send.ts';
import { benchSegment } from './segment.ts';
import { benchStow } from './stow.ts';
import { benchSustained } from './sustained.ts';
import { benchTextDetection } from './text-detection.ts';

const BENCHMARKS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  ingest: async (args) => benchCStore(INGEST, args),
  small: async (args) => benchCStore(SMALL, args),
  large: async (args) => benchCStore(LARGE, args),
  send: benchSend,
  stow: benchStow,
  sustained: benchSustained,
  completion: benchCompletion,
  bus: benchBus,
  flat: benchFlat,
  memory: benchMemory,
  processing: benchProcessing,
  scale: benchScale,
  deidentify: benchDeidentify,
  delivery: benchDelivery,
  journey: benchJourney,
  'text-detection': benchTextDetection,
  reliability: benchReliability,
  segment: benchSegment,
};

const [name = '', ...args] = process.argv.slice(2);
const benchmark = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
if (benchmark === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(BENCHMARKS).join('|')} [OPTIONS]`);
  process.exit(2);
}
await benchmark(args);
// Servers of peers are ended by their own exit hook.
process.exit();
