/** Commands on one kind of thing of the ledger: listing them, showing one, and letting one go on. */
import { ERRORS, HubError } from '../core/errors.ts';
import { OVERRIDE_REASONS } from '../core/override-reasons.ts';
import { parseDuration } from '../core/quantities.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { type HubApi, isErrorCode, withHubApi } from './hub-api.ts';
import { cellText, listLines, parseList, parseRow, type Row, shownLines, type Table } from './rows.ts';
import { json, type Terminal, terminal } from './terminal.ts';

/** How one kind of thing is asked for, listed and shown. */
export interface Resource extends Table {
  readonly path: string;
  readonly one: string;
  /** What can be done to one, and what is said when it is done. */
  readonly verbs: Readonly<Record<string, (answer: Row, id: string) => string>>;
  /** The lists that one of it has. */
  readonly parts: Readonly<Record<string, Table>>;
  /** Options of `list` that go to the API as they are. */
  readonly filters: readonly Filter[];
}

const DEFAULT_LIMIT = '50';
const FILTERS = {
  state: { type: 'string', value: 'STATE', about: 'only those in this state' },
  destination: { type: 'string', value: 'NAME', about: 'only deliveries to this destination' },
  route: { type: 'string', value: 'NAME', about: 'only deliveries of this route' },
  partner: { type: 'string', value: 'NAME', about: "only this partner's deliveries" },
  study: { type: 'string', value: 'UID', about: 'only deliveries of this study' },
  since: { type: 'string', value: 'TIME', about: 'only those opened since: 12h, 7d or 2026-03-01T08:00:00Z' },
  reason: { type: 'string', value: 'CODE', about: 'only those whose last attempt failed with this error code' },
} as const;
type Filter = keyof typeof FILTERS;
const PAGE = {
  limit: { type: 'string', value: 'N', about: `list: rows a page, newest first (${DEFAULT_LIMIT})` },
  before: { type: 'string', value: 'ID', about: 'list: the next page, as the page before says' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

export function resourceCommand(resource: Resource): (argv: readonly string[], to?: Terminal) => Promise<number> {
  const options = resourceOptions(resource.filters);
  return async (argv, to = terminal) => {
    const { values, positionals } = readArguments(argv, options);
    const [verb = 'list', id, ...more] = positionals;
    checkVerb(resource, verb, id, more);
    return await withHubApi(values, false, async (api) => {
      if (verb === 'list') return await list(api, resource, values, to);
      const answer = parseRow(await ask(api, resource, verb, id ?? ''));
      show(resource, verb, id ?? '', answer, values.json === true, to);
      return EXIT.done;
    });
  };
}

/** Options of a command whose lists have these filters. */
export function resourceOptions(filters: readonly Filter[]) {
  const chosen = Object.fromEntries(
    Object.entries(FILTERS).filter(([name]) => filters.some((filter) => filter === name)),
  ) as typeof FILTERS;
  return { ...chosen, ...PAGE };
}

type Values = Readonly<Partial<Record<Filter | 'limit' | 'before', string | undefined>>> & {
  readonly json?: boolean | undefined;
};

export async function list(api: HubApi, resource: Resource, values: Values, to: Terminal): Promise<number> {
  const { limit = DEFAULT_LIMIT, before } = values;
  const query = new URLSearchParams({ limit, ...filterValues(resource.filters, values) });
  if (before !== undefined) query.set('before', before);
  const answer = parseList(await api.call('GET', `${resource.path}?${query.toString()}`));
  if (values.json === true) to.out(json(answer));
  else {
    for (const line of listLines(resource, answer.items)) to.out(line);
    if (answer.cursor !== undefined) to.err(`there are more: --before ${answer.cursor}`);
  }
  return EXIT.done;
}

/** As the API takes them. @throws {HubError} `command.usage` */
export function filterValues(filters: readonly Filter[], values: Values): Readonly<Record<string, string>> {
  const given: Record<string, string> = {};
  for (const name of filters) {
    const value = values[name];
    if (value !== undefined) given[name] = name === 'since' ? sinceTime(value) : value;
  }
  return given;
}

function sinceTime(text: string): string {
  const ms = parseDuration(text);
  const time = ms === undefined ? new Date(text) : new Date(Date.now() - ms);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new HubError('command.usage', { detail: `--since ${text}: a duration like 12h or 7d, or a time` });
}

export function show(
  resource: Resource,
  verb: string,
  id: string,
  answer: Row,
  isForMachines: boolean,
  to: Terminal,
): void {
  const said = resource.verbs[verb];
  if (isForMachines) to.out(json(answer));
  else if (said !== undefined) to.out(said(answer, id));
  else {
    for (const line of shownLines(answer, resource.parts)) to.out(line);
    for (const line of remedyLines(answer)) to.out(line);
  }
}

/** Of what waits for somebody: the advice that its error code has, and what tries the way there. */
function remedyLines({ state, code, reason, destination, isOverridable, quarantineId }: Row): readonly string[] {
  if (state !== 'held' && state !== 'dead' && state !== 'pending') return [];
  const name = code ?? reason;
  if (typeof name !== 'string' || !isErrorCode(name)) return [];
  const override =
    isOverridable === true
      ? [`  hub quarantine override ${cellText(quarantineId)} --reason ${OVERRIDE_REASONS.join('|')}`]
      : [];
  const doctor = typeof destination === 'string' ? [`  hub doctor --destination ${destination}`] : [];
  return ['', `what to do: ${ERRORS[name].remedy}`, ...doctor, ...override];
}

/** @throws {HubError} `command.usage` */
export function checkVerb(resource: Resource, verb: string, id: string | undefined, more: readonly string[]): void {
  const verbs = ['list', 'show', ...Object.keys(resource.verbs)];
  const refuse = (detail: string) => new HubError('command.usage', { detail });
  if (!verbs.includes(verb)) throw refuse(`no ${verb}: ${verbs.join(', ')}`);
  if (verb === 'list' && id !== undefined) throw refuse(`list takes no ${id}: did you mean show ${id}?`);
  if (verb !== 'list' && id === undefined) throw refuse(`${verb} which ${resource.one}?`);
  if (more.length > 0) throw refuse(`one ${resource.one} at a time`);
}

/** `show` reads, every other verb does. @throws {HubError} that names what was asked for */
export async function ask(
  api: HubApi,
  { path, one }: Resource,
  verb: string,
  id: string,
  body?: unknown,
): Promise<unknown> {
  const place = `${path}/${encodeURIComponent(id)}`;
  try {
    return verb === 'show' ? await api.call('GET', place) : await api.call('POST', `${place}/${verb}`, body);
  } catch (error) {
    // What the API says of something else than the identifier stands for itself.
    const isUnknown =
      error instanceof HubError &&
      error.fields['detail'] === undefined &&
      (error.code === 'resource.not-found' || error.code === 'request.invalid');
    const isNoId =
      error instanceof HubError &&
      error.code === 'request.invalid' &&
      (body === undefined || cellText(error.fields['detail']).startsWith('path.'));
    if (isUnknown || isNoId) throw new HubError('resource.not-found', { detail: `there is no ${one} ${id}` }, error);
    throw error;
  }
}
