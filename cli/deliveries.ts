/** `hub deliveries | dead-letters`: what goes to whom, what did not get there, and sending it again: one, or all that match. */
import * as z from 'zod';
import { count } from '../core/count.ts';
import { HubError } from '../core/errors.ts';
import { readArguments } from './arguments.ts';
import { EXIT } from './exit-codes.ts';
import { type HubApi, withHubApi } from './hub-api.ts';
import { ask, checkVerb, filterValues, list, type Resource, resourceOptions, show } from './resources.ts';
import { field, parseRow, type Row, type Table } from './rows.ts';
import { json, type Terminal, terminal } from './terminal.ts';

export const DELIVERIES: Table = {
  none: 'no deliveries',
  columns: [
    ['delivery', field('deliveryId')],
    ['destination', field('destination')],
    ['state', field('state')],
    ['attempts', field('attempts')],
    ['next', field('dueAt')],
    ['study', field('studyInstanceUid')],
    ['route', field('route')],
    ['waits for', field('waitingFor')],
    ['reason', field('reason')],
  ],
};
const HISTORY: Table = {
  none: 'not tried yet',
  columns: [
    ['attempt', field('attempt')],
    ['started', field('startedAt')],
    ['ms', (row) => Math.round(Number(row['durationMs']))],
    ['outcome', field('outcome')],
    ['code', field('code')],
    ['again', field('retry')],
    ['asked', field('request')],
    ['answer', field('answer')],
    ['bytes', field('sizeBytes')],
    ['detail', field('detail')],
  ],
};
const FILTERS = ['destination', 'route', 'partner', 'study', 'since', 'reason'] as const;
const sentAgain = (_: Row, id: string) => `delivery ${id} goes out again`;
const givenUp = (_: Row, id: string) => `delivery ${id} is given up: it does not go out again`;
const MANY_SENT_AGAIN = ['goes out again', 'go out again'] as const;
const MANY_GIVEN_UP = ['is given up', 'are given up'] as const;

/** A kind of delivery that many can be done with at once. */
interface Deliveries extends Resource {
  readonly many: string;
  /** What can be done to all that match, and how that is said of one, and of more. */
  readonly manyVerbs: Readonly<Record<string, readonly [string, string]>>;
}

export const deliveries = deliveriesCommand({
  ...DELIVERIES,
  path: '/deliveries',
  one: 'delivery',
  many: 'deliveries',
  verbs: {
    retry: (_, id) => `delivery ${id} is tried now`,
    cancel: (_, id) => `delivery ${id} is given up: it does not go out`,
    replay: sentAgain,
  },
  manyVerbs: { retry: ['is tried now', 'are tried now'], cancel: MANY_GIVEN_UP, replay: MANY_SENT_AGAIN },
  filters: ['state', ...FILTERS],
  parts: { history: HISTORY },
});

export const deadLetters = deliveriesCommand({
  path: '/dead-letters',
  one: 'dead letter',
  many: 'dead letters',
  none: 'no dead letters',
  verbs: { replay: sentAgain, discard: givenUp, cancel: givenUp },
  manyVerbs: { replay: MANY_SENT_AGAIN, discard: MANY_GIVEN_UP },
  filters: FILTERS,
  columns: DELIVERIES.columns.filter(([title]) => title !== 'next' && title !== 'state'),
  parts: { history: HISTORY },
});

function deliveriesCommand(resource: Deliveries): (argv: readonly string[], to?: Terminal) => Promise<number> {
  const options = {
    ...resourceOptions(resource.filters),
    all: { type: 'boolean', about: `${Object.keys(resource.manyVerbs).join(', ')}: all there are, without a filter` },
    yes: { type: 'boolean', about: 'do it; without it the command only counts' },
  } as const;
  return async (argv, to = terminal) => {
    const { values, positionals } = readArguments(argv, options);
    const [verb = 'list', id, ...more] = positionals;
    const filter = filterValues(resource.filters, values);
    const isForMany =
      id === undefined &&
      Object.hasOwn(resource.manyVerbs, verb) &&
      (Object.keys(filter).length > 0 || values.all === true);
    if (!isForMany) checkVerb(resource, verb, id, more);
    return await withHubApi(values, false, async (api) => {
      if (isForMany) {
        const result = await doMany(api, resource, verb, filter, values.yes === true);
        if (values.json === true) to.out(json(result));
        else for (const line of manyLines(resource, verb, result)) to.out(line);
        return EXIT.done;
      }
      if (verb === 'list') return await list(api, resource, values, to);
      show(resource, verb, id ?? '', parseRow(await ask(api, resource, verb, id ?? '')), values.json === true, to);
      return EXIT.done;
    });
  };
}

interface Many {
  readonly matching: number;
  readonly isMore: boolean;
  readonly done?: number;
  readonly skipped?: number;
}

const counted = z.object({ count: z.int(), isMore: z.boolean() });
const outcome = z.object({ done: z.int(), skipped: z.int(), cursor: z.string().optional() });

async function doMany(
  api: HubApi,
  { path }: Resource,
  verb: string,
  filter: Readonly<Record<string, string>>,
  isMeant: boolean,
): Promise<Many> {
  const wanted = { ...filter, ...stateFor(path, verb, filter) };
  const found = counted.parse(await api.call('GET', `${path}/count?${new URLSearchParams(wanted).toString()}`));
  const matching = { matching: found.count, isMore: found.isMore };
  if (!isMeant) return matching;
  // A replay has its state named; for the rest of the verbs the API knows which it can be.
  const { state, ...rest } = wanted;
  let [done, skipped] = [0, 0];
  let before: string | undefined;
  do {
    const body = {
      ...{ ...rest, action: verb },
      ...(path === '/deliveries' && verb === 'replay' ? { state } : {}),
      ...(before === undefined ? {} : { before }),
    };
    const page = outcome.parse(await api.call('POST', `${path}/bulk`, body));
    done += page.done;
    skipped += page.skipped;
    before = page.cursor;
  } while (before !== undefined);
  return { ...matching, done, skipped };
}

/** @throws {HubError} `command.usage` */
function stateFor(
  path: string,
  verb: string,
  { state }: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  if (path !== '/deliveries') return {};
  if (verb === 'replay') {
    if (state === 'dead' || state === 'succeeded') return { state };
    throw new HubError('command.usage', { detail: 'replay of many needs --state dead or --state succeeded' });
  }
  if (state === undefined || state === 'pending') return { state: 'pending' };
  throw new HubError('command.usage', { detail: `${verb} is for those that wait: --state pending` });
}

function* manyLines({ one, many, manyVerbs }: Deliveries, verb: string, result: Many): Generator<string> {
  const { matching, isMore, done, skipped = 0 } = result;
  const isOne = matching === 1 && !isMore;
  const [said, saidOfMore] = manyVerbs[verb] ?? [verb, verb];
  yield `${isMore ? 'more than ' : ''}${count(matching, one, many)} ${isOne ? 'matches' : 'match'}`;
  if (done === undefined) {
    yield `nothing was done: with --yes ${isOne ? `it ${said}` : `they ${saidOfMore}`}`;
    return;
  }
  yield count(done, said, saidOfMore);
  if (skipped === 1) yield '1 was left: it has changed meanwhile, or was removed after delivery';
  if (skipped > 1) yield `${String(skipped)} were left: they have changed meanwhile, or were removed after delivery`;
}
