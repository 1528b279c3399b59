/**
 * What of a configuration a running hub can take anew, and what it cannot: doors, folders, the ledger, the store and the
 * bus were opened with what stood there at the start.
 */
import { isDeepStrictEqual } from 'node:util';
import { kafkaPartners } from './bus.ts';
import type { HubConfig } from './schema.ts';

/** Everything below these may change while the hub runs. */
const LIVE: readonly string[] = [
  'version',
  'routes',
  'policies',
  'partners',
  'destinations',
  'models',
  'pulls',
  'gateway.completion',
  'gateway.sameUid',
  'gateway.dimse.sources',
  'processors.timeLimitMs',
  'processors.timeLimitsMs',
];

/** Sentences, each with the key and why it has to wait for a restart. None: all of the difference can be taken. */
export function restartNeeded(now: HubConfig, next: HubConfig): readonly string[] {
  const keys = [...differing(now, next, '')].map(
    (key) => `${written(key)} cannot change while the hub runs: restart it for that`,
  );
  const topics = ({ partners }: HubConfig) => kafkaPartners(partners);
  if (now.bus.kind === 'embedded' || isDeepStrictEqual(topics(now), topics(next))) return keys;
  return [...keys, 'partners with a topic in Kafka cannot change while the hub runs: restart it for that'];
}

function* differing(now: unknown, next: unknown, path: string): Generator<string> {
  if (LIVE.includes(path) || isDeepStrictEqual(now, next)) return;
  if (!isPlain(now) || !isPlain(next)) {
    yield path;
    return;
  }
  for (const key of new Set([...Object.keys(now), ...Object.keys(next)])) {
    yield* differing(now[key], next[key], path === '' ? key : `${path}.${key}`);
  }
}

/** As the file has it: read, units stand in the names. */
function written(path: string): string {
  return path.replace(/(Ms|Bytes)$/, '');
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
