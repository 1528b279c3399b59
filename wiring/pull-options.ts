/** The configuration's pulls as the puller and the doors want them. */
import { isIP } from 'node:net';
import { type Environment, readSecret } from '../config/environment.ts';
import { windowOpensAt } from '../connectors/pull/calendar.ts';
import type { PullFrom, PullOptions } from '../connectors/pull/options.ts';
import type { SourceQuery } from '../gateway/completion/query.ts';
import type { DimseSource } from '../gateway/dimse/association-policy.ts';
import type { Peer } from '../peers/dimse/connection.ts';
import type { WebOrigin } from '../peers/dicomweb/get.ts';
import type { TlsIdentity } from '../peers/tls-identity.ts';
import type { Config } from './shapes.ts';

type PullEntry = Config['pulls'][number];
type OriginEntry = Extract<PullEntry['from'], { dicomweb: unknown }>['dicomweb'];

/** Those that are enabled. */
export function pullOptions(config: Config, env: Environment): readonly PullOptions[] {
  return config.pulls.filter(({ enabled }) => enabled).map((pull) => optionsOf(pull, config, env));
}

/** Of one, enabled or not. */
export function optionsOf(
  { enabled: _, from, timeouts, ...rest }: PullEntry,
  { gateway }: Pick<Config, 'gateway'>,
  env: Environment,
): PullOptions {
  const [firstTitle = 'HUB'] = gateway.dimse.aeTitles;
  return { ...rest, timeouts, from: fromOf(from, timeouts, firstTitle, env) };
}

/**
 * Who may call because it is asked to send. Whose AE title stands under `gateway.dimse.sources` is no less careful a
 * matter for being asked: it calls as what is written there, or not at all.
 */
export function moversOf({ pulls, gateway }: Pick<Config, 'pulls' | 'gateway'>): readonly DimseSource[] {
  const configured = new Set<string>(gateway.dimse.sources.map(({ aeTitle }) => aeTitle));
  return pulls.flatMap(({ name, enabled, from }) =>
    enabled && 'dicom' in from && from.retrieve === 'c-move' && !configured.has(from.dicom.aeTitle)
      ? [{ name, aeTitle: from.dicom.aeTitle, hosts: [from.dicom.host] }]
      : [],
  );
}

/** As people see them: those that are not enabled too. */
export function pullsShown({ pulls }: Pick<Config, 'pulls'>) {
  return pulls.map(({ name, enabled: isEnabled, schedule, from, windows, timeZone }) => {
    const shown = { name, isEnabled, schedule, opensAt: (now: Date) => windowOpensAt(windows, now, timeZone) };
    if ('dicomweb' in from) return { ...shown, source: from.dicomweb.url, retrieve: 'wado-rs' as const };
    const { aeTitle, host, port } = from.dicom;
    return { ...shown, source: `${aeTitle}@${host}:${String(port)}`, retrieve: from.retrieve };
  });
}

/** Where it is asked how much of a study there is, before what was fetched is taken as complete. */
export function pullQueries(config: Config, env: Environment): Readonly<Record<string, SourceQuery>> {
  return Object.fromEntries(
    pullOptions(config, env).flatMap(({ name, from }): readonly (readonly [string, SourceQuery])[] => {
      if (from.kind === 'dicomweb') return [[name, { kind: 'dicomweb', ...from.origin }]];
      const peer = from.peer();
      // That question is asked without TLS; the quiet period decides where the PACS wants it.
      return peer.tls === undefined ? [[name, { kind: 'dicom', peer }]] : [];
    }),
  );
}

function fromOf(
  from: PullEntry['from'],
  { connectMs, answerMs }: PullEntry['timeouts'],
  firstTitle: string,
  env: Environment,
): PullFrom {
  if ('dicomweb' in from) {
    return { kind: 'dicomweb', origin: originOf(from.dicomweb, env) };
  }
  const { host, port, aeTitle, callingAeTitle = firstTitle } = from.dicom;
  const peer = (): Peer => ({
    ...{ host, port, calledAeTitle: aeTitle, callingAeTitle },
    timeouts: { connectMs, associationMs: connectMs, responseMs: answerMs },
    ...tlsOf(from.dicom, env),
  });
  return from.retrieve === 'c-get'
    ? { kind: 'c-get', peer }
    : { kind: 'c-move', peer, moveTo: from.moveTo ?? firstTitle };
}

/** Read for each association: certificates are renewed. */
function tlsOf(
  { host, tls }: Extract<PullEntry['from'], { dicom: unknown }>['dicom'],
  env: Environment,
): Pick<Peer, 'tls'> {
  if (tls === undefined) return {};
  const { ca, certificate, key, serverName } = tls;
  return {
    tls: {
      // RFC 6066 Section 3: no address as a server name; without one the certificate is held against the host.
      ...(serverName === undefined && isIP(host) !== 0 ? {} : { servername: serverName ?? host }),
      ...(ca === undefined ? {} : { ca: readSecret(ca, env) }),
      ...(certificate === undefined ? {} : { cert: readSecret(certificate, env) }),
      ...(key === undefined ? {} : { key: readSecret(key, env) }),
    },
  };
}

/** An origin server that is asked, for studies or for how much it has of one. */
export function originOf({ url, auth, tls }: OriginEntry, env: Environment): WebOrigin {
  return { url, authorization: authorizationOf(auth, env), tls: identityOf(tls, env) };
}

/** Read for each request: certificates are renewed. */
function identityOf(tls: OriginEntry['tls'], env: Environment): (() => TlsIdentity) | undefined {
  if (tls === undefined) return undefined;
  const { ca, certificate, key } = tls;
  return () => ({
    ...(ca === undefined ? {} : { ca: readSecret(ca, env) }),
    ...(certificate === undefined ? {} : { certificate: readSecret(certificate, env) }),
    ...(key === undefined ? {} : { key: readSecret(key, env) }),
  });
}

/** How the hub says who it is to an origin server; read for each request. */
function authorizationOf(auth: OriginEntry['auth'], env: Environment): (() => string) | undefined {
  if (auth === undefined) return undefined;
  return () => {
    if ('bearer' in auth) return `Bearer ${readSecret(auth.bearer, env)}`;
    const { user, password } = auth.basic;
    return `Basic ${Buffer.from(`${user}:${readSecret(password, env)}`).toString('base64')}`;
  };
}
