/** `hub reidentify UID`: what a UID that was given to a partner stands for. For who has a token of the role, and on record. */
import { processEnvironment } from '../config/environment.ts';
import { HubError } from '../core/errors.ts';
import { isUid } from '../core/identifiers.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { CONFIG_OPTION, DATA_OPTION } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import { withHubApi } from './hub-api.ts';
import { cellText, field, parseList, type Row } from './rows.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  partner: { type: 'string', value: 'NAME', about: 'as it was released to this partner; else to any' },
  config: CONFIG_OPTION,
  data: DATA_OPTION,
  json: JSON_OPTION,
} as const;

/** Never on the command line: every user of the machine sees that. */
const TOKEN_VARIABLE = 'HUB_TOKEN';

const LINES: readonly (readonly [title: string, value: (row: Row) => unknown])[] = [
  ['partner', field('partner')],
  ['is', field('kind')],
  ['Study Instance UID', field('studyInstanceUid')],
  ['Series Instance UID', field('seriesInstanceUid')],
  ['SOP Instance UID', field('sopInstanceUid')],
  ['UID', field('uid')],
  ['Patient ID', field('patientId')],
  ['Issuer of Patient ID', field('issuerOfPatientId')],
  ['policy', field('policy')],
];

export async function reidentify(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [uid, ...more] = positionals;
  if (uid === undefined || more.length > 0)
    throw new HubError('command.usage', { detail: 'one UID, as it was released' });
  if (!isUid(uid)) throw new HubError('command.usage', { detail: 'that is no UID' });
  const token = processEnvironment()[TOKEN_VARIABLE];
  if (token === undefined || token === '')
    throw new HubError('command.usage', {
      detail: `${TOKEN_VARIABLE}: a token of role reidentifier, by which the question is put on record`,
    });
  const body = { uid, ...(values.partner === undefined ? {} : { partner: values.partner }) };
  const answer = await withHubApi(values, false, (api) => api.call('POST', '/reidentifications', body), token);
  if (values.json === true) to.out(json(answer));
  else
    for (const [index, row] of parseList(answer).items.entries()) {
      if (index > 0) to.out('');
      for (const [title, value] of LINES)
        if (value(row) !== undefined) to.out(`${title.padEnd(23)}${cellText(value(row))}`);
    }
  return EXIT.done;
}
