/**
 * The reference pages that follow from tables in the code: docs/events.md, docs/errors.md, docs/metrics.md,
 * docs/asyncapi.yaml, docs/openapi-partner.json. Run it to write them; a test compares the files with what this makes, so a page cannot say something else than the code.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { ERRORS } from '../core/errors.ts';
import { EVENTS, type EventType, wireType } from '../core/events.ts';
import type { MetricDefinition, Metrics } from '../core/ports.ts';
import { deliveryMetrics } from '../connectors/metrics.ts';
import { pullMetrics } from '../connectors/pull/metrics.ts';
import { partnerApiDocument } from '../connectors/partner-api/router.ts';
import { webhookMetrics } from '../connectors/webhook/metrics.ts';
import { gatewayMetrics } from '../gateway/metrics.ts';
import { busMetrics, kafkaMetrics } from '../platform/bus/metrics.ts';
import { storeMetrics } from '../platform/store/metrics.ts';
import { stageMetrics } from '../platform/metrics.ts';
import { ledgerMetrics } from '../platform/ledger/metrics.ts';
import { threadsEnded } from '../platform/threads/metrics.ts';
import { processorMetrics } from '../processors/metrics.ts';
import { routerMetrics } from '../routers/metrics.ts';
import { asyncApiDocument } from './asyncapi.ts';

export const PAGES: Readonly<Record<string, () => string>> = {
  'docs/metrics.md': metricsPage,
  'docs/events.md': eventsPage,
  'docs/errors.md': errorsPage,
  'docs/asyncapi.yaml': asyncApiDocument,
  'docs/openapi-partner.json': partnerOpenApi,
};

function eventsPage(): string {
  const types = Object.keys(EVENTS) as EventType[];
  const sections = types.map((type) => {
    const entry: { stream: string; about: string; data: z.ZodType; partner?: z.ZodType } = EVENTS[type];
    const partner =
      entry.partner === undefined ? 'Partners never see it.' : `On \`partner.<name>.v1\`: ${fieldList(entry.partner)}.`;
    return `### \`${wireType(type)}\`\n\n${entry.about}\n\n- stream \`${entry.stream}\`, key Study Instance UID\n- data: ${fieldList(entry.data)}\n- ${partner}\n`;
  });
  return `# Events

Facts in the past tense, CloudEvents 1.0, structured JSON on HTTP. An event carries identifiers, references, digests and numbers; never pixels or
patient data. Order is kept for each Study Instance UID. Delivery is at least once: be idempotent on \`id\`. Within v1 only optional fields are
added; ignore what you do not know. The JSON Schema of each type is served at \`/schemas/<type>.json\`, and of what a partner sees at \`/schemas/partner/<type>.json\`.

A partner reads its own stream only, \`/partner/v1/events?after=&limit=&types=\` with the cursor of the page before, or \`/partner/v1/events/stream\` (Server-Sent Events,
\`Last-Event-ID\`). Every UID in it is the pseudonymous one of what was released to that partner.

This page is written by \`scripts/reference-pages.ts\` from \`core/events.ts\`.

${sections.join('\n')}`;
}

function fieldList(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema) as { properties?: Record<string, unknown>; required?: string[] };
  const required = new Set(json.required ?? []);
  return Object.keys(json.properties ?? {})
    .map((name) => `\`${name}\`${required.has(name) ? '' : ' (optional)'}`)
    .join(', ');
}

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, row]) =>
      `| \`${code}\` | ${row.title} | 0x${row.dimse.toString(16).toUpperCase().padStart(4, '0')} | ${String(row.http)} | ${row.retry} | ${row.remedy} |`,
  );
  return `# Errors

One row is one failure and what it means to each listener: the status of a C-STORE-RSP, the HTTP status (\`application/problem+json\`, \`type\` is
\`urn:hub:error:<code>\`), and whether a delivery that failed so is tried again: *transient* yes, *ambiguous* yes where repeating is harmless, *permanent* never.

This page is written by \`scripts/reference-pages.ts\` from \`core/errors.ts\`.

| code | what happened | DIMSE | HTTP | retry | what to do |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

/** As `/partner/v1/openapi.json` answers it. */
function partnerOpenApi(): string {
  return `${JSON.stringify(partnerApiDocument(), undefined, 2)}\n`;
}

function metricsPage(): string {
  const rows = definedMetrics().map(
    ({ kind, definition }) =>
      `| \`${definition.name}\` | ${kind} | ${definition.labels.map((label) => `\`${label}\``).join(', ')} | ${definition.help} |`,
  );
  return `# Metrics

Prometheus reads them at \`/metrics\`. Names are \`hub_<stage>_<what>_<unit>\`; labels come from the configuration or the code, never from a study. Alert on ages,
not on counts: \`hub_spool_oldest_age_seconds\`, \`hub_bus_lag_seconds\`, \`hub_source_last_seen_seconds\`, and on \`hub_dead_letters > 0\`.
Metrics of the process itself (\`process_*\`, \`nodejs_*\`) stand beside them.

This page is written by \`scripts/reference-pages.ts\` from the stages' \`metrics.ts\`.

| name | kind | labels | what |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

/** What every stage defines, asked of the stages themselves with a registry that only takes notes. */
function definedMetrics(): readonly { readonly kind: string; readonly definition: MetricDefinition }[] {
  const noted: { kind: string; definition: MetricDefinition }[] = [];
  const nothing = (): void => undefined;
  const note = (kind: string, definition: MetricDefinition): void => {
    // Stages that count into one metric share its definition.
    if (!noted.some((known) => known.definition === definition)) noted.push({ kind, definition });
  };
  const registry: Metrics = {
    counter: (definition) => {
      note('counter', definition);
      return { increment: nothing };
    },
    gauge: (definition) => {
      note('gauge', definition);
      return { set: nothing, collect: nothing, reset: nothing };
    },
    histogram: (definition) => {
      note('histogram', definition);
      return { observe: nothing };
    },
  };
  gatewayMetrics(registry);
  stageMetrics(registry, []);
  ledgerMetrics(registry, { isUp: () => true });
  storeMetrics(registry, { check: () => Promise.resolve() });
  busMetrics(registry, { lag: () => Promise.resolve([]) });
  kafkaMetrics(registry);
  routerMetrics(registry);
  processorMetrics(registry);
  deliveryMetrics(registry);
  pullMetrics(registry);
  webhookMetrics(registry);
  threadsEnded(registry);
  return noted;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, page] of Object.entries(PAGES))
    writeFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), page());
}
