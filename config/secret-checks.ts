/**
 * Secrets as far as they can be looked at here: whether they are there, and are what they are to be. Where a file is
 * checked they need not be, so none of it is a mistake; where a hub starts it is the reason why it cannot.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { HubError } from '../core/errors.ts';
import type { DestinationOptions, SecretReference } from '../core/plugins.ts';
import { type Environment, readSecret } from './environment.ts';
import type { Finding } from './mistakes.ts';
import type { ConfigShapes, HubConfig, PolicyEntry } from './schema.ts';

type Path = readonly PropertyKey[];

/** Reads a secret as who needs it does. @throws when it cannot be that; the secret is not in the message */
type Form = (text: string) => unknown;

interface Found {
  readonly path: Path;
  /** Below the destination, the pull, the door: `tls.key`. */
  readonly name: string;
  readonly reference: SecretReference;
}

export function secretWarnings<W, P extends PolicyEntry, D extends DestinationOptions>(
  { gateway, bus, ledger, store, destinations, pulls }: HubConfig<W, P, D>,
  { connectors }: ConfigShapes<W, P, D>,
  env: Environment,
): readonly Finding[] {
  const { dimse, http } = gateway;
  const plain = [
    { value: { tls: dimse.tls }, path: ['gateway', 'dimse'] },
    { value: http.metrics, path: ['gateway', 'http', 'metrics'] },
    ...dimse.sources.map((source, index) => ({ value: source, path: ['gateway', 'dimse', 'sources', index] })),
    { value: bus, path: ['bus'] },
    { value: ledger, path: ['ledger'] },
    { value: store, path: ['store'] },
    ...pulls.map(({ from }, index) => ({ value: from, path: ['pulls', index, 'from'] })),
  ];
  return [
    ...plain.flatMap(({ value, path }) => check(referencesIn(value, path), {}, env)),
    ...destinations.flatMap((destination, index) => {
      const forms = connectors.find(({ type }) => type === destination.type)?.secretForms ?? {};
      return check(referencesIn(destination, ['destinations', index]), forms, env);
    }),
  ];
}

function check(found: readonly Found[], forms: Readonly<Record<string, Form>>, env: Environment): readonly Finding[] {
  return found.flatMap(({ path, name, reference }) => {
    const text = valueOf(reference, env);
    if (text === undefined) return [{ path, message: missing(reference) }];
    const wrong = mistakeIn(text, forms[name] ?? formOf(name)) ?? strangeKey(name, text, found, env);
    const where = 'env' in reference ? `the environment variable ${reference.env}` : `the file ${reference.file}`;
    return wrong === undefined ? [] : [{ path, message: `${where} is not what is needed: ${wrong}` }];
  });
}

function missing(reference: SecretReference): string {
  return 'env' in reference
    ? `the environment variable ${reference.env} is not set here`
    : `the file ${reference.file} cannot be read here, or is empty`;
}

function valueOf(reference: SecretReference, env: Environment): string | undefined {
  try {
    return readSecret(reference, env);
  } catch {
    // Whatever the reason, it is the answer.
    return undefined;
  }
}

/** PEM is the same wherever it stands; anything else only its connector knows. */
function formOf(name: string): Form | undefined {
  if (/(^|\.)tls\.key$/.test(name)) return parsePrivateKey;
  if (/(^|\.)tls\.crl$/.test(name)) return requireRevocationList;
  return /(^|\.)(ca|tls\.certificate)$/.test(name) ? parseCertificate : undefined;
}

function mistakeIn(text: string, form: Form | undefined): string | undefined {
  try {
    form?.(text);
    return undefined;
  } catch (error) {
    return error instanceof HubError ? String(error.fields['detail']) : 'it cannot be read';
  }
}

function parseCertificate(text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw new HubError('config.invalid', { detail: 'a certificate in PEM' });
  }
}

function requireRevocationList(text: string): void {
  if (!text.includes('-----BEGIN X509 CRL-----'))
    throw new HubError('config.invalid', { detail: 'a revocation list in PEM' });
}

function parsePrivateKey(text: string) {
  try {
    return createPrivateKey(text);
  } catch {
    throw new HubError('config.invalid', { detail: 'a private key in PEM, without a passphrase' });
  }
}

/** Of a certificate that stands beside the key and is another's. */
function strangeKey(name: string, text: string, found: readonly Found[], env: Environment): string | undefined {
  if (formOf(name) !== parsePrivateKey) return undefined;
  const beside = found.find((each) => each.name === name.replace(/key$/, 'certificate'));
  const certificate = beside === undefined ? undefined : valueOf(beside.reference, env);
  if (certificate === undefined || mistakeIn(certificate, parseCertificate) !== undefined) return undefined;
  const isItsKey = parseCertificate(certificate).checkPrivateKey(parsePrivateKey(text));
  return isItsKey ? undefined : 'the key of the certificate beside it';
}

function referencesIn(value: unknown, path: Path, name = ''): readonly Found[] {
  if (typeof value !== 'object' || value === null) return [];
  const [[key, named] = ['', ''], second] = Object.entries(value) as readonly (readonly [string, unknown])[];
  if (second === undefined && typeof named === 'string') {
    if (key === 'env') return [{ path, name, reference: { env: named } }];
    if (key === 'file') return [{ path, name, reference: { file: named } }];
  }
  return Object.entries(value).flatMap(([step, inner]) =>
    referencesIn(inner, [...path, Array.isArray(value) ? Number(step) : step], name === '' ? step : `${name}.${step}`),
  );
}
