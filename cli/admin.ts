/** `hub studies | deliveries | dead-letters | quarantine | commitments`: what stands in the ledger, and letting it go on. */
import { HubError } from '../core/errors.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { type HubApi, withHubApi } from './hub-api.ts';
import { field, gist, listLines, parseList, parseRow, type Row, shownLines, type Table, whyOf } from './rows.ts';
import { json, type Terminal, terminal } from './terminal.ts';

/** How one kind of thing is asked for, listed and shown. */
interface Resource extends Table {
  readonly path: string;
  readonly one: string;
  /** What can be done to one, and what is said when it is done. */
  readonly verbs: Readonly<Record<string, (answer: Row, id: string) => string>>;
  /** The lists that one of it has. */
  readonly parts: Readonly<Record<string, Table>>;
  /** Options of `list` that go to the API as they are. */
  readonly filters: readonly Filter[];
}
type Filter = 'state' | 'destination' | 'study';

const DEFAULT_LIMIT = '50';
const OPTIONS = {
  state: { type: 'string', value: 'STATE', about: 'list: only those in this state' },
  destination: { type: 'string', value: 'NAME', about: 'list: only deliveries to this destination' },
  study: { type: 'string', value: 'UID', about: 'list: only deliveries of this study' },
  limit: { type: 'string', value: 'N', about: `list: rows a page, newest first (${DEFAULT_LIMIT})` },
  before: { type: 'string', value: 'ID', about: 'list: the next page, as the page before says' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

const DELIVERIES: Table = {
  none: 'no deliveries',
  columns: [
    ['delivery', field('deliveryId')],
    ['destination', field('destination')],
    ['state', field('state')],
    ['attempts', field('attempts')],
    ['next', field('dueAt')],
    ['study', field('studyInstanceUid')],
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
    ['detail', field('detail')],
  ],
};
const sentAgain = (_: Row, id: string) => `delivery ${id} goes out again`;

export const studies = resourceCommand({
  path: '/studies',
  one: 'study',
  none: 'no studies',
  verbs: {
    replay: ({ runIds }) => `it is done again from the first step: ${(runIds as readonly string[]).join(', ')}`,
    complete: ({ completed }) =>
      completed === true
        ? 'it is complete: nothing is waited for any longer'
        : 'nothing has arrived since it was complete',
  },
  filters: ['state'],
  columns: [
    ['study', field('studyInstanceUid')],
    ['state', (row) => (row['held'] === true ? 'held' : row['state'])],
    ['revision', field('revision')],
    ['instances', field('instances')],
    ['source', field('source')],
    ['last received', field('lastReceivedAt')],
  ],
  parts: {
    series: {
      none: 'none',
      columns: [
        ['series', field('seriesInstanceUid')],
        ['modality', field('modality')],
        ['instances', field('instances')],
        ['door', field('door')],
        ['source', field('source')],
      ],
    },
    runs: {
      none: 'none: no route has taken it',
      columns: [
        ['run', field('runId')],
        ['revision', field('revision')],
        ['route', field('route')],
        ['because', (row) => whyOf(row['explanation'])],
        ['state', field('state')],
        ['steps', (row) => stepsOf(row)],
        ['destinations', field('destinations')],
      ],
    },
    deliveries: { ...DELIVERIES, columns: DELIVERIES.columns.filter(([title]) => title !== 'study') },
    timeline: {
      none: 'nothing yet',
      columns: [
        ['at', field('at')],
        ['what', field('what')],
        ['', (row) => gist(row['fields'])],
      ],
    },
  },
});

export const deliveries = resourceCommand({
  ...DELIVERIES,
  path: '/deliveries',
  one: 'delivery',
  verbs: { replay: sentAgain },
  filters: ['state', 'destination', 'study'],
  parts: { history: HISTORY },
});

export const deadLetters = resourceCommand({
  path: '/dead-letters',
  one: 'dead letter',
  none: 'no dead letters',
  verbs: { replay: sentAgain, cancel: (_, id) => `delivery ${id} is given up: it does not go out again` },
  filters: ['destination', 'study'],
  columns: DELIVERIES.columns.filter(([title]) => title !== 'next' && title !== 'state'),
  parts: { history: HISTORY },
});

export const quarantine = resourceCommand({
  path: '/quarantine',
  one: 'quarantine entry',
  none: 'nothing in quarantine',
  verbs: {
    release: ({ state }) =>
      state === 'replayed' ? 'the run is done again from its first step' : 'released: nothing waits for it any longer',
    replay: () => 'the run is done again from its first step',
  },
  filters: ['state'],
  columns: [
    ['entry', field('quarantineId')],
    ['state', field('state')],
    ['by', field('stage')],
    ['instances', field('instances')],
    ['since', field('createdAt')],
    ['study', field('studyInstanceUid')],
    ['reason', field('reason')],
    ['detail', field('detail')],
  ],
  parts: {},
});

export const commitments = resourceCommand({
  path: '/commitments',
  one: 'storage commitment',
  none: 'no storage commitments',
  verbs: {},
  filters: ['state'],
  columns: [
    ['commitment', field('commitmentId')],
    ['source', field('source')],
    ['state', field('state')],
    ['instances', field('instances')],
    ['not promised', field('failures')],
    ['asked', field('requestedAt')],
    ['attempts', field('attempts')],
    ['next', field('dueAt')],
    ['reason', field('reason')],
  ],
  parts: {
    history: {
      none: 'its source was not told yet',
      columns: [
        ['attempt', field('attempt')],
        ['started', field('startedAt')],
        ['way', field('way')],
        ['outcome', field('outcome')],
        ['detail', field('detail')],
      ],
    },
    failed: {
      none: 'everything is promised, once it is decided',
      columns: [
        ['instance', field('sopInstanceUid')],
        ['failure reason', field('failureReason')],
      ],
    },
  },
});

function resourceCommand(resource: Resource): (argv: readonly string[], to?: Terminal) => Promise<number> {
  const options = Object.fromEntries(
    Object.entries(OPTIONS).filter(([name]) => !isFilter(name) || resource.filters.includes(name)),
  ) as typeof OPTIONS;
  return async (argv, to = terminal) => {
    const { values, positionals } = readArguments(argv, options);
    const [verb = 'list', id, ...more] = positionals;
    checkVerb(resource, verb, id, more);
    return await withHubApi(values, false, async (api) => {
      if (verb === 'list') {
        const answer = parseList(await api.call('GET', `${resource.path}?${queryOf(resource, values)}`));
        if (values.json === true) to.out(json(answer));
        else {
          for (const line of listLines(resource, answer.items)) to.out(line);
          if (answer.cursor !== undefined) to.err(`there are more: --before ${answer.cursor}`);
        }
        return EXIT.done;
      }
      const answer = parseRow(await ask(api, resource, verb, id ?? ''));
      const said = resource.verbs[verb];
      if (values.json === true) to.out(json(answer));
      else if (said !== undefined) to.out(said(answer, id ?? ''));
      else for (const line of shownLines(answer, resource.parts)) to.out(line);
      return EXIT.done;
    });
  };
}

function isFilter(name: string): name is Filter {
  return name === 'state' || name === 'destination' || name === 'study';
}

/** @throws {HubError} `command.usage` */
function checkVerb(resource: Resource, verb: string, id: string | undefined, more: readonly string[]): void {
  const verbs = ['list', 'show', ...Object.keys(resource.verbs)];
  const refuse = (detail: string) => new HubError('command.usage', { detail });
  if (!verbs.includes(verb)) throw refuse(`no ${verb}: ${verbs.join(', ')}`);
  if (verb === 'list' && id !== undefined) throw refuse(`list takes no ${id}: did you mean show ${id}?`);
  if (verb !== 'list' && id === undefined) throw refuse(`${verb} which ${resource.one}?`);
  if (more.length > 0) throw refuse(`one ${resource.one} at a time`);
}

function queryOf(
  { filters }: Resource,
  values: Readonly<Partial<Record<Filter | 'limit' | 'before', string | undefined>>>,
): string {
  const { limit = DEFAULT_LIMIT, before } = values;
  const query = new URLSearchParams({ limit });
  if (before !== undefined) query.set('before', before);
  for (const name of filters) {
    const value = values[name];
    if (value !== undefined) query.set(name, value);
  }
  return query.toString();
}

/** `show` reads, every other verb does. @throws {HubError} that names what was asked for */
async function ask(api: HubApi, { path, one }: Resource, verb: string, id: string): Promise<unknown> {
  const place = `${path}/${encodeURIComponent(id)}`;
  try {
    return verb === 'show' ? await api.call('GET', place) : await api.call('POST', `${place}/${verb}`);
  } catch (error) {
    const isUnknown =
      error instanceof HubError && (error.code === 'resource.not-found' || error.code === 'request.invalid');
    if (isUnknown) throw new HubError('resource.not-found', { detail: `there is no ${one} ${id}` }, error);
    throw error;
  }
}

/** `deidentify → qc → segment, 2 of 3 done`. */
function stepsOf({ processors, nextStep, state }: Row): string {
  const names = Array.isArray(processors) ? processors.map(String) : [];
  const way = names.join(' → ');
  return state === 'processed' || names.length === 0 ? way : `${way}, ${String(nextStep)} of ${names.length} done`;
}
