/** What is allowed and still likely not meant. A start goes on; `hub check` says so. */
import { accessSync, constants } from 'node:fs';
import type { DestinationOptions } from '../core/plugins.ts';
import type { Finding } from './mistakes.ts';
import { partnersOfSources } from './returns.ts';
import type { ConfigShapes, HubConfig, PolicyEntry } from './schema.ts';

export function warningsOf<W, P extends PolicyEntry, D extends DestinationOptions>(
  config: HubConfig<W, P, D>,
  shapes: ConfigShapes<W, P, D>,
): readonly Finding[] {
  return [
    ...unusedDestinations(config),
    ...unknownSources(config, shapes),
    ...idleRoutes(config),
    ...missingFolders(config),
    ...missingLists(config),
    ...stepsBeforeRelease(config, shapes),
    ...openMetrics(config),
  ];
}

function unusedDestinations(config: HubConfig): readonly Finding[] {
  const used = new Set(config.routes.flatMap((route) => route.deliver));
  return config.destinations.flatMap(({ name }, index) =>
    used.has(name) ? [] : [{ path: ['destinations', index], message: `no route delivers to ${name}` }],
  );
}

/** Not a mistake: doors other than DIMSE name sources of their own. */
function unknownSources<W, P extends PolicyEntry, D extends DestinationOptions>(
  config: HubConfig<W, P, D>,
  shapes: ConfigShapes<W, P, D>,
): readonly Finding[] {
  const { dimse, folders } = config.gateway;
  const known = [
    'loopback',
    ...partnersOfSources(config).keys(),
    ...[...dimse.sources, ...folders, ...config.pulls].map(({ name }) => name),
  ];
  return config.routes.flatMap(({ when, completion }, index) => {
    const required = completion?.requiredSeries ?? [];
    const rules = [
      { rule: when, path: ['routes', index, 'when'] },
      ...required.map((rule, n) => ({ rule, path: ['routes', index, 'completion', 'requiredSeries', n] })),
    ];
    return rules.flatMap(({ rule, path }) =>
      shapes
        .sourcesAskedFor(rule)
        .filter((source) => !known.includes(source))
        .map((source) => ({
          path,
          message: `asks for the source ${source}, which is not under gateway.dimse.sources, gateway.folders or pulls`,
        })),
    );
  });
}

function idleRoutes(config: HubConfig): readonly Finding[] {
  return config.routes.flatMap((route, index) => {
    if (!route.enabled) return [{ path: ['routes', index], message: `the route ${route.name} is not enabled` }];
    if (route.deliver.length > 0 || route.process.length > 0) return [];
    return [
      { path: ['routes', index], message: `the route ${route.name} has no step and no destination: studies end there` },
    ];
  });
}

/** A share may be mounted later: the hub waits for it. */
function missingFolders(config: HubConfig): readonly Finding[] {
  return config.gateway.folders.flatMap(({ path }, index) => {
    const at = ['gateway', 'folders', index, 'path'];
    if (!isUsable(path, constants.F_OK)) return [{ path: at, message: 'there is no such folder here, or not yet' }];
    if (isUsable(path, constants.R_OK | constants.W_OK | constants.X_OK)) return [];
    return [{ path: at, message: 'cannot be read and written here: nothing would be taken' }];
  });
}

/** Whoever reaches the port reads who the partners are, and how much each gets. */
function openMetrics({ gateway: { http }, partners }: HubConfig): readonly Finding[] {
  const isLocal = (host: string) => host === 'localhost' || host === '::1' || host.startsWith('127.');
  const { token, host, port } = http.metrics;
  if (partners.length === 0 || token !== undefined || isLocal(port === undefined ? http.host : host)) return [];
  return [
    {
      path: ['gateway', 'http', 'metrics'],
      message:
        '/metrics names partners and destinations, and asks nobody for a token: give it one, or a port of its own on this machine',
    },
  ];
}

/** It may be put there later: each run reads it anew. */
function missingLists(config: HubConfig): readonly Finding[] {
  return config.pulls.flatMap(({ query }, index) =>
    query.accessions === undefined || isUsable(query.accessions.file, constants.R_OK)
      ? []
      : [
          {
            path: ['pulls', index, 'query', 'accessions', 'file'],
            message: 'cannot be read here: nothing would be asked',
          },
        ],
  );
}

/** Only what is made from released data carries the release. */
function stepsBeforeRelease<W, P extends PolicyEntry, D extends DestinationOptions>(
  config: HubConfig<W, P, D>,
  shapes: ConfigShapes<W, P, D>,
): readonly Finding[] {
  const releasing = shapes.processors.filter((each) => each.releasesFor !== undefined).map(({ name }) => name);
  const ofPartners = config.destinations.filter(({ partner }) => partner !== undefined).map(({ name }) => name);
  return config.routes.flatMap((route, index) => {
    const release = route.process.findIndex((step) => releasing.includes(step.processor));
    if (release < 1 || !route.deliver.some((name) => ofPartners.includes(name))) return [];
    const early = route.process.slice(0, release).map((step) => step.processor);
    const message = `what ${early.join(' and ')} makes before ${route.process[release]?.processor ?? ''} never reaches a partner; release first`;
    return [{ path: ['routes', index, 'process'], message }];
  });
}

function isUsable(path: string, how: number): boolean {
  try {
    accessSync(path, how);
    return true;
  } catch {
    // Whatever the reason, it is the answer.
    return false;
  }
}
