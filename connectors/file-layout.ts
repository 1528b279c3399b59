/** Where the files of a delivery go in a folder, a bucket or on a file server: a template, held against names that collide or escape. */
import assert from 'node:assert/strict';
import * as z from 'zod';
import { HubError } from '../core/errors.ts';
import { isUid } from '../core/identifiers.ts';
import type { DeliveryOrder } from '../core/plugins.ts';
import type { RunItem } from '../core/store.ts';

const DEFAULT_LAYOUT = '{study}/{series}/{instance}.dcm';
const PLACEHOLDERS = ['partner', 'destination', 'study', 'series', 'instance', 'revision'] as const;
type Placeholder = (typeof PLACEHOLDERS)[number];
/** What is the same for all of a study's deliveries: the study's folder has one manifest. */
const OF_ALL: readonly string[] = ['partner', 'destination', 'study'];
/** Harmless characters and placeholders; no dot in front: no way out, and no clash with parts being written. */
const SEGMENT = /^(?:[A-Za-z0-9_-]|\{[a-z]+\})(?:[A-Za-z0-9._-]|\{[a-z]+\})*$/;

/** Key of destinations that keep files. */
export const layout = z
  .string()
  .max(300)
  .default(DEFAULT_LAYOUT)
  .superRefine((template, context) => {
    const message = layoutMistake(template);
    if (message !== undefined) context.addIssue({ code: 'custom', message, input: template });
  })
  .describe(`Path of an instance: ${PLACEHOLDERS.map((name) => `{${name}}`).join(', ')} and letters.`);

/** For the schema of a whole destination: what its template needs of the other keys. */
export function checkLayout(
  given: { readonly layout: string; readonly partner?: string | undefined },
  context: z.RefinementCtx,
): void {
  if (given.partner !== undefined || !given.layout.includes('{partner}')) return;
  const message = '{partner} needs partner: this destination has none';
  context.addIssue({ code: 'custom', path: ['layout'], message, input: given.layout });
}

function layoutMistake(template: string): string | undefined {
  const segments = template.split('/');
  if (segments.some((segment) => !SEGMENT.test(segment)))
    return `not a path like ${DEFAULT_LAYOUT}: letters, digits, dots, hyphens, underscores and placeholders between slashes`;
  const unknown = placeholdersIn(template).find((name) => !PLACEHOLDERS.some((known) => known === name));
  if (unknown !== undefined) return `no such placeholder: {${unknown}}; one of ${PLACEHOLDERS.join(', ')}`;
  if (!placeholdersIn(segments.at(-1) ?? '').includes('instance'))
    return 'the last part needs {instance}: two instances would have one name';
  const folders = segments.slice(0, -1);
  const ofStudy = folders.findIndex((segment) => segment.includes('{study}'));
  if (ofStudy < 0) return 'one of the folders needs {study}: each study has a folder, and a manifest in it';
  const late = placeholdersIn(folders.slice(0, ofStudy + 1).join('/')).find((name) => !OF_ALL.includes(name));
  return late === undefined ? undefined : `{${late}} may only come in a folder below that of {study}`;
}

/** A file of an order, and where it goes. */
export interface StudyFile {
  readonly item: RunItem;
  /** Below the study's folder, with forward slashes. */
  readonly path: string;
}

/** The folder of an order's study, and what belongs into it. Without slashes at either end. */
export interface StudyFolder {
  readonly folder: string;
  readonly files: readonly StudyFile[];
}

/** @param template - one that the schema has taken */
export function layOut(order: DeliveryOrder, template: string): StudyFolder {
  const segments = template.split('/');
  const ofStudy = segments.findIndex((segment) => segment.includes('{study}'));
  const folder = segments.slice(0, ofStudy + 1).join('/');
  const rest = segments.slice(ofStudy + 1).join('/');
  return {
    folder: filled(folder, order),
    files: order.items.map((item) => ({ item, path: pathOf(item, order, rest) })),
  };
}

/** SOP Instance UID, or name of a file: how whoever asks is told what is missing. */
export function nameOf(item: RunItem): string {
  return item.kind === 'instance' ? item.sopInstanceUid : item.name;
}

/** A template that is no path: a link to each instance, say. */
export function filled(template: string, order: DeliveryOrder, item?: RunItem): string {
  return template.replaceAll(/\{([a-z]+)\}/g, (_, name: string) => valueOf(name, order, item));
}

export function placeholdersIn(template: string): readonly string[] {
  return [...template.matchAll(/\{([^{}]*)\}/g)].map(([, name = '']) => name);
}

export function isPlaceholder(name: string): name is Placeholder {
  return PLACEHOLDERS.some((known) => known === name);
}

function pathOf(item: RunItem, order: DeliveryOrder, template: string): string {
  switch (item.kind) {
    case 'instance':
      return filled(template, order, item);
    case 'artefact':
      assert(ARTEFACT_NAME.test(item.name), 'an artefact is named by UIDs and fixed words');
      // Pictures and reports speak of one revision: the next one's stand beside them, and what was named stays as it was.
      return `results/r${String(order.revision)}-${order.deliveryId.slice(0, 8)}/${item.name}`;
    default:
      return item satisfies never;
  }
}

/** Segments of harmless characters that do not begin with a dot. */
const ARTEFACT_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

function valueOf(name: string, order: DeliveryOrder, item: RunItem | undefined): string {
  assert(isPlaceholder(name), 'the schema has looked at the placeholders');
  switch (name) {
    case 'partner':
      return order.partner ?? '';
    case 'destination':
      return order.destination;
    case 'study':
      return uid(order.studyInstanceUid);
    case 'series':
      return uid(item?.seriesInstanceUid ?? '');
    case 'instance':
      return uid(item?.kind === 'instance' ? item.sopInstanceUid : '');
    case 'revision':
      return String(order.revision);
    default:
      return name satisfies never;
  }
}

function uid(text: string): string {
  if (!isUid(text)) throw new HubError('dataset.uid-invalid');
  return text;
}
