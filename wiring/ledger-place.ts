/** Where the configuration says that the ledger is, secrets read. */
import { type Environment, readSecret } from '../config/environment.ts';
import type { LedgerPlace } from '../platform/ledger/open.ts';
import type { Config } from './shapes.ts';

/** @throws {HubError} `config.invalid` when a secret is missing */
export function ledgerPlace({ ledger, hub }: Pick<Config, 'ledger' | 'hub'>, env: Environment): LedgerPlace {
  if (ledger.kind === 'sqlite') return ledger;
  const { host, port, database, user, password, tls, poolSize } = ledger;
  const secret = (reference: typeof password) => (reference === undefined ? undefined : readSecret(reference, env));
  const given = { password: secret(password) };
  // Read once here, so that a start says at once when it is not there; and again at each connection.
  const isInFile = password !== undefined && 'file' in password;
  return {
    kind: 'postgres',
    server: {
      ...{ host, port, database, user },
      ...(given.password === undefined ? {} : { password: given.password }),
      ...(isInFile ? { currentPassword: () => readSecret(password, env) } : {}),
      ...(tls === undefined ? {} : { tls: tlsOf(tls, secret) }),
    },
    poolSize,
    node: hub.node,
  };
}

type Postgres = Extract<Config['ledger'], { kind: 'postgres' }>;

function tlsOf(
  { ca, certificate, key }: NonNullable<Postgres['tls']>,
  secret: (reference: Postgres['password']) => string | undefined,
) {
  const read = { ca: secret(ca), certificate: secret(certificate), key: secret(key) };
  return {
    ...(read.ca === undefined ? {} : { ca: read.ca }),
    ...(read.certificate === undefined ? {} : { certificate: read.certificate }),
    ...(read.key === undefined ? {} : { key: read.key }),
  };
}
