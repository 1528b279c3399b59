/** `npm run bench -- NAME [OPTIONS]`: side-by-side benchmarks against peers, each in a file of its own. */
import { benchIngest } from './ingest.ts';

const BENCHMARKS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  ingest: benchIngest,
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
