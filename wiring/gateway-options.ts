/** The configuration as the gateway wants it: names looked up, secrets read, routes asked what they wait for. */
import { lookup } from 'node:dns/promises';
import { reportersOf } from './commitment-options.ts';
import { type Environment, readSecret } from '../config/environment.ts';
import { partnersOfSources } from '../config/returns.ts';
import { HubError } from '../core/errors.ts';
import { returnedUids } from '../core/returned-uids.ts';
import type { SourceQuery } from '../gateway/completion/query.ts';
import type { DimseSource, Reporter } from '../gateway/dimse/association-policy.ts';
import type { DimseOptions } from '../gateway/dimse/dimse.ts';
import type { GatewayOptions } from '../gateway/options.ts';
import { moversOf, originOf, pullQueries } from './pull-options.ts';
import type { MetricsDoor } from '../platform/http/metrics-door.ts';
import { patienceOf, shortestQuietMs } from '../routers/completion.ts';
import type { Config } from './shapes.ts';

/** The configuration's gateway as the gateway wants it: host names of sources become addresses, once, at start. */
export async function gatewayOptions(
  config: Config,
  env: Environment,
  dataDir: string,
  identity: string,
  returned: GatewayOptions['returned'] & {},
): Promise<GatewayOptions> {
  const { dimse, completion, disk, retention, folders, sameUid, spool } = config.gateway;
  const { store } = config;
  return {
    dataDir,
    dimse: await dimseOptions(dimse, moversOf(config), reportersOf(config), env),
    pulls: config.pulls.map(({ name }) => name),
    completion: {
      ...completion,
      sources: Object.fromEntries(
        [...dimse.sources, ...folders].flatMap(({ name, completion: own }) => (own === undefined ? [] : [[name, own]])),
      ),
      queries: { ...sourceQueries(config, env), ...pullQueries(config, env) },
      configVersion: config.version,
      patienceOf: (series) => patienceOf(config.routes, series, Date.now()),
      shortestRouteQuietMs: shortestQuietMs(config.routes),
    },
    sameUid: {
      rule: sameUid,
      sources: Object.fromEntries(
        dimse.sources.flatMap(({ name, sameUid: own }) => (own === undefined ? [] : [[name, own]])),
      ),
    },
    returned,
    disk,
    retention,
    spool,
    folders,
    // A ledger in a file has one gateway.
    ...(config.ledger.kind === 'postgres' ? { replica: { node: config.hub.node, identity } } : {}),
    ...(store.kind === 's3'
      ? {
          shipping: {
            node: config.hub.node,
            uploads: store.uploads,
            lingerMs: store.lingerMs,
            keepLocalMs: store.keepLocalMs,
          },
        }
      : {}),
  };
}

/** What partners return: whose a source is, and what it is filed under. @param secret - of the crosswalk */
export function returnedOptions(config: Config, secret: Uint8Array): GatewayOptions['returned'] & {} {
  const bound = partnersOfSources(config);
  const names = returnedUids(secret);
  return {
    partnerOf: (source) => bound.get(source),
    sourceOf: (partner) => config.partners.find(({ name }) => name === partner)?.returns,
    fileName: (partner, uid) => names.of(partner, uid),
  };
}

/** Where sources answer how much of a study they have. */
function sourceQueries(config: Config, env: Environment): Readonly<Record<string, SourceQuery>> {
  const { sources, aeTitles } = config.gateway.dimse;
  return Object.fromEntries(
    sources.flatMap(({ name, query }): readonly (readonly [string, SourceQuery])[] => {
      if (query === undefined) return [];
      if ('dicom' in query) {
        const { aeTitle: calledAeTitle, callingAeTitle = aeTitles[0] ?? 'HUB', ...address } = query.dicom;
        return [[name, { kind: 'dicom', peer: { ...address, calledAeTitle, callingAeTitle } }]];
      }
      return [[name, { kind: 'dicomweb', ...originOf(query.dicomweb, env) }]];
    }),
  );
}

/** Host names become addresses; secrets are read, those of TLS again and again: certificates are renewed. */
async function dimseOptions(
  { tls, storageCommitment, maxPduLengthBytes, sources, ...rest }: Config['gateway']['dimse'],
  movers: readonly DimseSource[],
  reporters: readonly Reporter[],
  env: Environment,
): Promise<DimseOptions> {
  return {
    ...rest,
    maxPduLength: maxPduLengthBytes,
    commitment: storageCommitment,
    movers: await Promise.all(movers.map(withAddresses)),
    reporters: (await Promise.all(reporters.map(whereKnown))).flat(),
    sources: await Promise.all(
      sources.map(async ({ hosts, userIdentity, ...source }) => ({
        ...source,
        hosts: (await Promise.all(hosts.map(addressesOf))).flat(),
        ...(userIdentity === undefined
          ? {}
          : {
              userIdentity: {
                username: userIdentity.username,
                ...(userIdentity.passcode === undefined ? {} : { passcode: readSecret(userIdentity.passcode, env) }),
              },
            }),
      })),
    ),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...tls,
            material: () => ({
              certificate: readSecret(tls.certificate, env),
              key: readSecret(tls.key, env),
              ...(tls.ca === undefined ? {} : { ca: readSecret(tls.ca, env) }),
              ...(tls.crl === undefined ? {} : { crl: readSecret(tls.crl, env) }),
            }),
          },
        }),
  };
}

async function withAddresses<Entry extends { readonly hosts: readonly string[] }>(entry: Entry): Promise<Entry> {
  return { ...entry, hosts: (await Promise.all(entry.hosts.map(addressesOf))).flat() };
}

/**
 * A destination may be unknown to the name service at the moment, or for long: that keeps no hub from starting. It cannot
 * report until the configuration is read again, and is asked in another way.
 */
async function whereKnown(reporter: Reporter): Promise<readonly Reporter[]> {
  try {
    return [await withAddresses(reporter)];
  } catch (error) {
    if (error instanceof HubError && error.code === 'config.invalid') return [];
    throw error;
  }
}

/** An address or range as it is; a name as what it resolves to. @throws {HubError} `config.invalid` when it resolves to nothing */
async function addressesOf(host: string): Promise<readonly string[]> {
  if (/^[0-9.]+(\/\d+)?$|:/.test(host)) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw new HubError(
      'config.invalid',
      { detail: `gateway.dimse.sources, pulls: the host ${host} is not known to the name service` },
      error,
    );
  }
}

/** Where metrics are shown, and to whom. @throws {HubError} `config.invalid` when the secret cannot be had */
export function metricsDoor({ gateway }: Config, env: Environment): MetricsDoor {
  const { token, host, port } = gateway.http.metrics;
  return {
    ...(token === undefined ? {} : { token: readSecret(token, env) }),
    ...(port === undefined ? {} : { listen: { host, port } }),
  };
}
