/** `hub studies | commitments`: what stands in the ledger, and letting it go on. */
import { HubError } from '../core/errors.ts';
import { readArguments } from './arguments.ts';
import { DELIVERIES } from './deliveries.ts';
import { EXIT } from './exit-codes.ts';
import { withHubApi } from './hub-api.ts';
import { ask, checkVerb, list, type Resource, resourceCommand, resourceOptions, show } from './resources.ts';
import { field, gist, parseRow, type Row, whyOf } from './rows.ts';
import { type Terminal, terminal } from './terminal.ts';

const STUDIES: Resource = {
  path: '/studies',
  one: 'study',
  none: 'no studies',
  verbs: {
    replay: ({ runIds, deliveryIds, isRouted }) => {
      if (isRouted === true) return 'it is routed again, by the routes there are now';
      const [runs, sent] = [runIds, deliveryIds].map((ids) => ids as readonly string[]);
      return sent !== undefined && sent.length > 0
        ? `what was made of it goes out again: ${sent.join(', ')}`
        : `it is done again from the first step: ${(runs ?? []).join(', ')}`;
    },
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
};

const STUDY_OPTIONS = {
  ...resourceOptions(STUDIES.filters),
  to: { type: 'string', value: 'DEST', about: 'replay: to this destination, whatever its routes say' },
  'from-stage': {
    type: 'string',
    value: 'STAGE',
    about: 'replay: received (routes decide anew) or processed (what was made goes out again)',
  },
} as const;

export async function studies(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, STUDY_OPTIONS);
  const [verb = 'list', id, ...more] = positionals;
  checkVerb(STUDIES, verb, id, more);
  const { to: destination, 'from-stage': fromStage } = values;
  if (verb !== 'replay' && (destination !== undefined || fromStage !== undefined)) {
    throw new HubError('command.usage', { detail: '--to and --from-stage are for replay' });
  }
  if (fromStage !== undefined && fromStage !== 'received' && fromStage !== 'processed') {
    throw new HubError('command.usage', { detail: `--from-stage ${fromStage}: received or processed` });
  }
  const body = {
    ...(destination === undefined ? {} : { to: destination }),
    ...(fromStage === undefined ? {} : { fromStage }),
  };
  return await withHubApi(values, false, async (api) => {
    if (verb === 'list') return await list(api, STUDIES, values, to);
    const answer = parseRow(await ask(api, STUDIES, verb, id ?? '', verb === 'replay' ? body : undefined));
    show(STUDIES, verb, id ?? '', answer, values.json === true, to);
    return EXIT.done;
  });
}

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

/** `deidentify → qc → segment, 2 of 3 done`. */
function stepsOf({ processors, nextStep, state }: Row): string {
  const names = Array.isArray(processors) ? processors.map(String) : [];
  const way = names.join(' → ');
  return state === 'processed' || names.length === 0 ? way : `${way}, ${String(nextStep)} of ${names.length} done`;
}
