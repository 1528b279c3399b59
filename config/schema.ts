/**
 * The one schema of the one configuration file. What belongs to a stage (rules, policies, connectors, processors) is
 * handed in by the composition root, because a plug-in owns the schema of its own options. Read, everything is plain
 * data with units in its names; `config/default.yaml` is the manual.
 */
import * as z from 'zod';
import type { ConnectorPlugin, DestinationOptions, ProcessorPlugin } from '../core/plugins.ts';
import { duration } from '../core/quantities.ts';
import { bus } from './bus.ts';
import { completion, routeCompletion } from './completion.ts';
import { routePriority } from './delivery.ts';
import { dimse } from './dimse.ts';
import { entryName } from './entries.ts';
import { watchedFolder } from './folders.ts';
import { http } from './http.ts';
import { ledger } from './ledger.ts';
import { partner } from './partners.ts';
import { destinationSchema, stepSchema } from './plugin-entries.ts';
import { pull } from './pulls.ts';
import { partnersOfSources, withReturns } from './returns.ts';
import { routeStanding } from './routes.ts';
import { disk, retention, sameUid, spool } from './storage.ts';
import { node, ownNode, store } from './store.ts';

/** What `policies` entries have for the configuration; the rest is the deidentify processor's. */
export interface PolicyEntry {
  readonly name: string;
  readonly partner?: string | undefined;
}

/** What the stages own of the configuration; the composition root gathers it. */
export interface ConfigShapes<
  When = unknown,
  Policy extends PolicyEntry = PolicyEntry,
  Destination extends DestinationOptions = DestinationOptions,
> {
  /** `when` of a route. */
  readonly when: z.ZodType<When>;
  /** Sources a rule compares with by name, to find one that does not exist. */
  sourcesAskedFor(when: When): readonly string[];
  /** The rule, for series of these sources only, or for series of others only. */
  fromSources(when: When, sources: readonly string[], isFromThem: boolean): When;
  /** One entry of `policies`. */
  readonly policy: z.ZodType<Policy>;
  readonly connectors: readonly (Pick<ConnectorPlugin, 'type' | 'secretForms'> & {
    readonly options: z.ZodType<Destination>;
  })[];
  readonly processors: readonly Pick<ProcessorPlugin, 'name' | 'resolve' | 'releasesFor' | 'takesReturned'>[];
}

/** Sections that need no stage to say what they are. */
const gateway = z.strictObject({
  dimse: dimse.prefault({}),
  http: http.prefault({}),
  completion,
  disk,
  spool,
  sameUid: sameUid.default('quarantine'),
  retention,
  folders: z.array(watchedFolder).max(64).default([]),
});

const processing = z
  .strictObject({
    workers: z.int().min(1).max(64).default(2),
    timeLimit: duration('1s', '7d').prefault('30m'),
    timeLimits: z.record(z.string(), duration('1s', '7d')).default({}),
  })
  .transform(({ workers, timeLimit, timeLimits }) => ({ workers, timeLimitMs: timeLimit, timeLimitsMs: timeLimits }));

export const modelEntry = z.strictObject({
  name: entryName,
  path: z.string().min(1),
  allow: z.array(z.enum(['control-flow', 'com.microsoft'])).optional(),
});

/** The schema of the whole file, without the checks across entries (`cross-checks.ts`). */
export function hubConfigSchema<When, Policy extends PolicyEntry, Destination extends DestinationOptions>(
  shapes: ConfigShapes<When, Policy, Destination>,
) {
  const route = z.strictObject({
    name: entryName,
    ...routeStanding,
    when: shapes.when,
    process: z.array(stepSchema(shapes.processors)).default([]),
    deliver: z.array(z.string()).default([]),
    perSeries: z.boolean().default(false),
    priority: routePriority,
    completion: routeCompletion(shapes.when).optional(),
  });
  return z
    .strictObject({
      hub: z
        .strictObject({
          name: entryName.default('hub'),
          data: z.string().min(1).default('./data'),
          node: node.optional(),
          reload: z.enum(['signal', 'watch']).default('signal'),
          stopGrace: duration('1s', '1h').prefault('10s'),
          stopDelay: duration('0s', '5m').prefault('0s'),
        })
        .prefault({})
        .transform(({ stopGrace, stopDelay, ...hub }) => ({
          ...hub,
          node: hub.node ?? ownNode(),
          stopGraceMs: stopGrace,
          stopDelayMs: stopDelay,
        })),
      log: z
        .strictObject({
          level: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
          format: z.enum(['json', 'text']).default('json'),
        })
        .prefault({}),
      gateway: gateway.prefault({}),
      policies: z.array(shapes.policy).default([]),
      partners: z.array(partner).default([]),
      destinations: z.array(destinationSchema(shapes.connectors)).default([]),
      routes: z.array(route).default([]),
      models: z.array(modelEntry).default([]),
      processors: processing.prefault({}),
      bus,
      ledger,
      store,
      pulls: z.array(pull).max(64).default([]),
    })
    .transform(({ policies, routes, ...rest }) => ({
      ...rest,
      routes: withReturns(routes, shapes, partnersOfSources(rest)),
      policies: withPartners(policies, rest.partners),
    }));
}

/** A policy releases for its `partner`; without one for the partner of the same name, if there is one. */
export function withPartners<Policy extends PolicyEntry>(
  policies: readonly Policy[],
  partners: readonly { readonly name: string }[],
): readonly Policy[] {
  return policies.map((policy) =>
    policy.partner === undefined && partners.some(({ name }) => name === policy.name)
      ? { ...policy, partner: policy.name }
      : policy,
  );
}

type Output<W, P extends PolicyEntry, D extends DestinationOptions> = z.output<
  ReturnType<typeof hubConfigSchema<W, P, D>>
>;

/** The configuration as read: every key present, units in the names. */
export type HubConfig<
  When = unknown,
  Policy extends PolicyEntry = PolicyEntry,
  Destination extends DestinationOptions = DestinationOptions,
> = Output<When, Policy, Destination> & {
  /** First 12 hex digits of the SHA-256 of the configuration; on every decision made under it. */
  readonly version: string;
};
