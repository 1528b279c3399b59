/** `hub quarantine`: what is held and why; letting it go on, doing it again, or sending it all the same. */
import { HubError } from '../core/errors.ts';
import { OVERRIDE_REASONS } from '../core/override-reasons.ts';
import { readArguments } from './arguments.ts';
import { EXIT } from './exit-codes.ts';
import { withHubApi } from './hub-api.ts';
import { ask, checkVerb, list, type Resource, resourceOptions, show } from './resources.ts';
import { cellText, field, parseRow, type Row } from './rows.ts';
import { type Terminal, terminal } from './terminal.ts';

const QUARANTINE: Resource = {
  path: '/quarantine',
  one: 'quarantine entry',
  none: 'nothing in quarantine',
  verbs: {
    release: ({ state }) =>
      state === 'replayed' ? 'the run is done again from its first step' : 'released: nothing waits for it any longer',
    replay: () => 'the run is done again from its first step',
    override: () => 'it goes on all the same, this once; who and why stands in the entry and in the events',
  },
  filters: ['state'],
  columns: [
    ['entry', field('quarantineId')],
    ['state', field('state')],
    ['by', field('stage')],
    ['instances', field('instances')],
    ['since', field('createdAt')],
    ['again', field('repeats')],
    ['study', field('studyInstanceUid')],
    ['reason', field('reason')],
    ['detail', field('detail')],
  ],
  parts: {},
};

const OPTIONS = {
  ...resourceOptions(QUARANTINE.filters),
  reason: { type: 'string', value: 'REASON', about: `override: ${OVERRIDE_REASONS.join(', ')}` },
  note: {
    type: 'string',
    value: 'TEXT',
    about: 'override: in your own words; stays with the entry, in no event or log',
  },
} as const;

export async function quarantine(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb = 'list', id = '', ...more] = positionals;
  checkVerb(QUARANTINE, verb, positionals[1], more);
  const { reason, note } = values;
  const body =
    verb === 'override' ? { reason: parseReason(reason), ...(note === undefined ? {} : { note }) } : undefined;
  if (body === undefined && (reason !== undefined || note !== undefined)) {
    throw new HubError('command.usage', { detail: '--reason and --note are for override' });
  }
  return await withHubApi(values, false, async (api) => {
    if (verb === 'list') return await list(api, QUARANTINE, values, to);
    const answer = parseRow(await ask(api, QUARANTINE, verb, id, body));
    const isForMachines = values.json === true;
    show(QUARANTINE, verb, id, isForMachines ? answer : withOverrideInWords(answer), isForMachines, to);
    return EXIT.done;
  });
}

/** Who let it go on, why, and when, as fields of its own. */
function withOverrideInWords({ override, ...entry }: Row): Row {
  if (override === undefined) return entry;
  const { reason, by, role, note, at } = parseRow(override);
  return {
    ...entry,
    overriddenBecause: reason,
    overriddenBy: `${cellText(by)} (${cellText(role)})`,
    overriddenAt: at,
    note,
  };
}

function parseReason(text: string | undefined): string {
  if (OVERRIDE_REASONS.some((reason) => reason === text)) return text ?? '';
  const said = text === undefined ? 'override needs --reason' : `--reason ${text}`;
  throw new HubError('command.usage', { detail: `${said}: ${OVERRIDE_REASONS.join(', ')}` });
}
