/**
 * What no single entry can know: names that must exist, names that must differ, and that nothing reaches a partner
 * that was not released for it. Works on the file as written and reads each entry by itself, so that one broken entry
 * does not hide the mistakes of the others.
 */
import { resolve } from 'node:path';
import { HubError } from '../core/errors.ts';
import type { Catalogue, DestinationOptions } from '../core/plugins.ts';
import { suggest } from '../core/suggestion.ts';
import { reportKafkaPartners } from './bus-checks.ts';
import { reportDimse } from './dimse-checks.ts';
import { reportWatchedFolders } from './folder-checks.ts';
import { reportMetricsPort } from './http.ts';
import type { Finding } from './mistakes.ts';
import { reportEntitlements } from './partners.ts';
import { reportPlaces } from './place-checks.ts';
import { stepOf } from './plugin-entries.ts';
import { reportPulls } from './pull-checks.ts';
import { reportOwnDoors } from './own-doors.ts';
import { type Entry, entriesAt, isInside, isMapping, listOf, names, type Report, valueAt } from './raw-values.ts';
import { reportReturns } from './returns.ts';
import { reportNeverEffective } from './routes.ts';
import { type ConfigShapes, modelEntry, type PolicyEntry, withPartners } from './schema.ts';

export function crossCheck<W, P extends PolicyEntry, D extends DestinationOptions>(
  raw: unknown,
  shapes: ConfigShapes<W, P, D>,
): readonly Finding[] {
  const findings: Finding[] = [];
  const report: Report = (path, message) => findings.push({ path, message });
  for (const list of ['policies', 'partners', 'destinations', 'routes', 'models', 'pulls'])
    reportRepeats(raw, [list], 'name', report);
  reportRepeats(raw, ['gateway', 'dimse', 'sources'], 'name', report);
  reportRepeats(raw, ['gateway', 'folders'], 'name', report);
  reportDimse(raw, report);
  reportMetricsPort(raw, report);
  reportFolders(raw, report);
  reportPlaces(raw, report);
  reportWatchedFolders(raw, report);
  reportUnknownPartners(raw, report);
  reportReturns(raw, shapes.processors, report);
  reportPulls(raw, report);
  reportOwnDoors(raw, report);
  reportKafkaPartners(raw, report);
  reportEntitlements(raw, report);
  reportTimeLimits(raw, shapes, report);
  reportRoutes(raw, shapes, report);
  return findings;
}

function reportRepeats(raw: unknown, path: readonly string[], key: 'name', report: Report): void {
  const seen = new Set<string>();
  for (const { index, name } of entriesAt(raw, path)) {
    if (name === undefined) continue;
    if (seen.has(name)) report([...path, index, key], `the name ${name} is taken by an entry above`);
    seen.add(name);
  }
}

function reportFolders(raw: unknown, report: Report): void {
  const written = valueAt(raw, ['hub', 'data']);
  const data = resolve(typeof written === 'string' ? written : './data');
  const owners = new Map<string, { readonly name: string | undefined; readonly partner: unknown }>();
  for (const { index, name, value } of entriesAt(raw, ['destinations'])) {
    if (value['type'] !== 'folder' || typeof value['path'] !== 'string') continue;
    const folder = resolve(value['path']);
    const at = ['destinations', index, 'path'];
    if (isInside(data, folder)) report(at, "inside the hub's own data folder (hub.data)");
    else if (isInside(folder, data)) report(at, "holds the hub's own data folder (hub.data)");
    const other = owners.get(folder);
    if (other !== undefined && other.partner !== value['partner']) {
      report(at, `the same folder as ${other.name ?? 'a destination above'}, which belongs to another`);
    }
    owners.set(folder, { name, partner: value['partner'] });
  }
}

function reportUnknownPartners(raw: unknown, report: Report): void {
  const partners = names(entriesAt(raw, ['partners']));
  for (const list of ['policies', 'destinations']) {
    for (const { index, value } of entriesAt(raw, [list])) {
      const partner = value['partner'];
      if (typeof partner === 'string' && !partners.includes(partner)) {
        report([list, index, 'partner'], `no such partner: ${partner}${suggest(partner, partners)}`);
      }
    }
  }
}

function reportTimeLimits(
  raw: unknown,
  shapes: { readonly processors: readonly { readonly name: string }[] },
  report: Report,
): void {
  const limits = valueAt(raw, ['processors', 'timeLimits']);
  const known = shapes.processors.map(({ name }) => name);
  for (const name of isMapping(limits) ? Object.keys(limits) : []) {
    if (!known.includes(name))
      report(['processors', 'timeLimits', name], `no such processor: ${name}; one of ${known.join(', ')}`);
  }
}

function reportRoutes<W, P extends PolicyEntry, D extends DestinationOptions>(
  raw: unknown,
  shapes: ConfigShapes<W, P, D>,
  report: Report,
): void {
  const destinations = entriesAt(raw, ['destinations']);
  const catalogue = catalogueOf(raw, shapes);
  for (const route of entriesAt(raw, ['routes'])) {
    const at = ['routes', route.index];
    reportNeverEffective(route.value, (key, message) => report([...at, key], message));
    const release = releaseOf(route, shapes, catalogue, report);
    const delivered = new Set<string>();
    for (const [index, name] of listOf(route.value['deliver']).entries()) {
      if (typeof name !== 'string') continue;
      if (delivered.has(name)) report([...at, 'deliver', index], `${name} is named twice`);
      delivered.add(name);
      const destination = destinations.find((each) => each.name === name);
      if (destination === undefined) {
        report([...at, 'deliver', index], `no such destination: ${name}${suggest(name, names(destinations))}`);
        continue;
      }
      const partner = destination.value['partner'];
      if (typeof partner !== 'string') continue;
      const mistake = releaseMistake(name, partner, release);
      if (mistake !== undefined) report([...at, 'deliver', index], mistake);
    }
  }
}

/** `unknown`: a step could not be read, which is reported by itself. */
type Release =
  { readonly kind: 'none' | 'unknown' } | { readonly kind: 'released'; readonly partner: string | undefined };

function releaseMistake(destination: string, partner: string, release: Release): string | undefined {
  switch (release.kind) {
    case 'unknown':
      return undefined;
    case 'none':
      return `${destination} belongs to the partner ${partner}, and this route has no deidentify step that releases for ${partner}`;
    case 'released':
      if (release.partner === partner) return undefined;
      return release.partner === undefined
        ? `${destination} belongs to the partner ${partner}, and the policy of this route's deidentify step releases for no partner; give the policy partner: ${partner}`
        : `${destination} belongs to the partner ${partner}, and this route releases for ${release.partner}`;
    default:
      return release satisfies never;
  }
}

/** Lets each step's plug-in read its argument, and says for whom the route releases. */
function releaseOf<W, P extends PolicyEntry, D extends DestinationOptions>(
  route: Entry,
  shapes: ConfigShapes<W, P, D>,
  catalogue: CatalogueWithBroken,
  report: Report,
): Release {
  let release: Release = { kind: 'none' };
  for (const [index, written] of listOf(route.value['process']).entries()) {
    const at = ['routes', route.index, 'process', index];
    const step = stepOf(written);
    const plugin = shapes.processors.find(({ name }) => name === step?.processor);
    // Reported by the step's own schema.
    if (step === undefined || plugin === undefined) {
      release = { kind: 'unknown' };
      continue;
    }
    const releases = plugin.releasesFor !== undefined;
    if (releases && release.kind === 'released') report(at, 'a second step that releases; a route releases once');
    try {
      const options = plugin.resolve(step.argument, catalogue);
      if (releases) release = { kind: 'released', partner: plugin.releasesFor?.(options) };
    } catch (error) {
      if (releases) release = { kind: 'unknown' };
      if (!(error instanceof HubError)) throw error;
      // The entry it names is there but broken: reported where it stands.
      if (typeof step.argument === 'string' && catalogue.broken.has(step.argument)) continue;
      const detail = error.fields['detail'];
      report(
        typeof written === 'string' ? at : [...at, step.processor],
        typeof detail === 'string' ? detail : error.message,
      );
    }
  }
  return release;
}

interface CatalogueWithBroken extends Catalogue {
  readonly broken: ReadonlySet<string>;
}

function catalogueOf<W, P extends PolicyEntry, D extends DestinationOptions>(
  raw: unknown,
  shapes: ConfigShapes<W, P, D>,
): CatalogueWithBroken {
  const broken = new Set<string>();
  const read = <T>(
    list: string,
    parse: (value: unknown) => { success: true; data: T } | { success: false },
  ): readonly T[] =>
    entriesAt(raw, [list]).flatMap((entry) => {
      const result = parse(entry.value);
      if (result.success) return [result.data];
      if (entry.name !== undefined) broken.add(entry.name);
      return [];
    });
  const partners = names(entriesAt(raw, ['partners'])).map((name) => ({ name }));
  const policies = read('policies', (value) => shapes.policy.safeParse(value));
  const models = read('models', (value) => modelEntry.safeParse(value));
  return { policies: withPartners(policies, partners), models, broken };
}
