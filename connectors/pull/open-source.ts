/** The source of a pull, by the way it is spoken with; what a way needs is loaded with the first pull that goes it. */
import { loadPlugin } from '../../core/load-plugin.ts';
import type { PullFrom, PullOptions } from './options.ts';
import type { PullSource } from './source.ts';
import type { SourcePorts } from './source-ports.ts';

type FromOf<K extends PullFrom['kind']> = Extract<PullFrom, { kind: K }>;
interface Way<K extends PullFrom['kind']> {
  open(options: PullOptions, from: FromOf<K>, ports: SourcePorts): PullSource;
}

const WAYS: { readonly [K in PullFrom['kind']]: () => Promise<Way<K>> } = {
  'c-move': () => import('./by-move.ts'),
  'c-get': () => import('./by-get.ts'),
  dicomweb: () => import('./by-wado.ts'),
};

/** @throws {HubError} `plugin.unusable` */
export async function openSource(options: PullOptions, ports: SourcePorts): Promise<PullSource> {
  return openFrom(options, options.from, ports);
}

/** So that a change of the configuration fails while nothing has changed. @throws {HubError} `plugin.unusable` */
export async function loadWays(options: readonly PullOptions[]): Promise<void> {
  for (const { from } of options) await wayOf(from.kind);
}

async function openFrom<K extends PullFrom['kind']>(
  options: PullOptions,
  from: FromOf<K> & { readonly kind: K },
  ports: SourcePorts,
): Promise<PullSource> {
  const way = await wayOf(from.kind);
  return way.open(options, from, ports);
}

async function wayOf<K extends PullFrom['kind']>(kind: K): Promise<Way<K>> {
  return loadPlugin(`pulls by ${kind}`, WAYS[kind]);
}
