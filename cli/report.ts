/** `hub report verify FILE`: whether a de-identification report still says what the hub signed. */
import { readFile } from 'node:fs/promises';
import { processEnvironment } from '../config/environment.ts';
import { HubError } from '../core/errors.ts';
import { openSecret } from '../platform/data-folder.ts';
import {
  createReportSigner,
  SIGNING_PURPOSE,
  type SignatureVerdict,
  verifyReport,
} from '../processors/deidentify/signature.ts';
import { JSON_OPTION, readArguments } from './arguments.ts';
import { EXIT } from './exit-codes.ts';
import { commandFailure } from './failure.ts';
import { json, type Terminal, terminal } from './terminal.ts';

const OPTIONS = {
  key: {
    type: 'string',
    value: 'FILE',
    about: 'public key in PEM of the hub that wrote it: hub deidentify --public-key',
  },
  data: { type: 'string', value: 'DIR', about: 'without --key: this hub’s own key, in its data folder (./data)' },
  json: JSON_OPTION,
} as const;

const SENTENCES: Readonly<Record<SignatureVerdict, string>> = {
  valid: 'as the hub signed it',
  changed: 'CHANGED since the hub signed it, or signed by somebody else',
  'other-key': 'signed with another key than this one',
  unsigned: 'not signed',
};

/** 0 when it is as it was signed, 1 when not. */
export async function report(argv: readonly string[], to: Terminal = terminal): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS);
  const [verb, file, ...more] = positionals;
  if (verb !== 'verify' || file === undefined || more.length > 0)
    throw new HubError('command.usage', { detail: 'report verify FILE' });
  const text = await readText(file);
  const key = values.key === undefined ? await ownPublicKey(values.data ?? './data') : await readText(values.key);
  const verdict = verifyReport(parseJson(text, file), key);
  if (values.json === true) to.out(json({ file, verdict }));
  else to.out(`${file}: ${SENTENCES[verdict]}`);
  return verdict === 'valid' ? EXIT.done : EXIT.failed;
}

async function ownPublicKey(data: string): Promise<string> {
  return createReportSigner(await openSecret(SIGNING_PURPOSE, data, processEnvironment())).publicKeyPem;
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw commandFailure(error);
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HubError('file.failed', { detail: `${file} is no JSON` }, error);
  }
}
