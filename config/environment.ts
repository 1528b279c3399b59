/** The only place that reads the process's environment. */
import { readFileSync } from 'node:fs';
import { HubError } from '../core/errors.ts';
import type { SecretReference } from '../core/plugins.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export function processEnvironment(): Environment {
  return process.env;
}

/**
 * The value a secret reference names. A trailing line end of a file is not part of the secret.
 *
 * @throws {HubError} `config.invalid`; the message names the reference, never the value
 */
export function readSecret(reference: SecretReference, env: Environment = processEnvironment()): string {
  const value = 'env' in reference ? env[reference.env] : readSecretFile(reference.file);
  if (value !== undefined && value !== '') return value;
  const what = 'env' in reference ? `environment variable ${reference.env}` : `file ${reference.file}`;
  throw new HubError('config.invalid', { detail: `the secret in ${what} is missing or empty` });
}

function readSecretFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new HubError('config.invalid', { detail: `the secret in file ${file} cannot be read` }, error);
  }
}
