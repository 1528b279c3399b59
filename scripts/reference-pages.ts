/**
 * The reference pages that follow from tables in the code: docs/events.md and docs/errors.md. Run it to write them;
 * a test compares the files with what this makes, so a page cannot say something else than the code.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { ERRORS } from '../core/errors.ts';
import { EVENTS, type EventType, wireType } from '../core/events.ts';

export const PAGES: Readonly<Record<string, () => string>> = {
  'docs/events.md': eventsPage,
  'docs/errors.md': errorsPage,
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [file, page] of Object.entries(PAGES))
    writeFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), page());
}
