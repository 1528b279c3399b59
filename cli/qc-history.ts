/** `hub qc history [ID]`, `hub qc accept ID`, `hub qc reject ID`: scans that later ones are held against. */
import { resourceCommand } from './resources.ts';
import { field } from './rows.ts';
import type { Terminal } from './terminal.ts';

const command = resourceCommand({
  path: '/quality',
  one: 'measured scan',
  none: 'nothing was measured yet',
  verbs: {
    accept: () => 'accepted: later scans of this scanner and protocol are held against it',
    reject: () => 'rejected: later scans are not held against it',
  },
  filters: ['study'],
  columns: [
    ['scan', field('qualityId')],
    ['recorded', field('recordedAt')],
    ['kind', field('kind')],
    ['verdict', field('verdict')],
    [
      'accepted',
      (row) => `${row['accepted'] === true ? 'yes' : 'no'}${row['decidedAt'] === undefined ? '' : ', by a person'}`,
    ],
    ['protocol', field('protocolKey')],
    ['study', field('studyInstanceUid')],
    ['series', field('seriesInstanceUid')],
  ],
  parts: {},
});

/** The words for the history, without what stands for a path; undefined where a path is meant (`./history` always is). */
export function historyVerb(argv: readonly string[]): readonly string[] | undefined {
  const [first, ...rest] = argv;
  if (first === 'accept' || first === 'reject') return argv;
  if (first !== 'history') return undefined;
  const [next] = rest;
  return next === undefined || next.startsWith('-') ? ['list', ...rest] : ['show', ...rest];
}

/** @throws {HubError} what the API answers with */
export async function qcHistory(argv: readonly string[], to: Terminal): Promise<number> {
  return await command(argv, to);
}
