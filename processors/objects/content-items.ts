/** Items of a structured report's content tree (PS3.3 Section C.17.3): one function a value type. */
import { type Attributes, numberText } from '../../core/dicom/encode.ts';
import { type Code, codeItem } from './codes.ts';
import type { InstanceReference } from './result-object.ts';

/** PS3.3 Section C.17.3.2.4: how an item belongs to the one it stands in. */
export type Relationship = 'CONTAINS' | 'HAS OBS CONTEXT' | 'HAS CONCEPT MOD';

export interface ContentItem {
  readonly relationship: Relationship;
  readonly attributes: Attributes;
}

function item(relationship: Relationship, ValueType: string, concept: Code, value: Attributes): ContentItem {
  return { relationship, attributes: { ValueType, ConceptNameCodeSequence: [codeItem(concept)], ...value } };
}

export function text(relationship: Relationship, concept: Code, TextValue: string): ContentItem {
  return item(relationship, 'TEXT', concept, { TextValue });
}

export function uidReference(relationship: Relationship, concept: Code, UID: string): ContentItem {
  return item(relationship, 'UIDREF', concept, { UID });
}

export function coded(relationship: Relationship, concept: Code, value: Code): ContentItem {
  return item(relationship, 'CODE', concept, { ConceptCodeSequence: [codeItem(value)] });
}

export function numeric(relationship: Relationship, concept: Code, value: number, unit: Code): ContentItem {
  return item(relationship, 'NUM', concept, {
    MeasuredValueSequence: [
      {
        NumericValue: numberText('DS', value),
        // PS3.3 Table C.18.1-1: where sixteen characters are too few.
        FloatingPointValue: value,
        MeasurementUnitsCodeSequence: [codeItem(unit)],
      },
    ],
  });
}

/** @param segmentNumber - of a Segmentation, from 1 */
export function image(
  relationship: Relationship,
  concept: Code,
  { sopClassUid, sopInstanceUid }: InstanceReference,
  segmentNumber?: number,
): ContentItem {
  return item(relationship, 'IMAGE', concept, {
    ReferencedSOPSequence: [
      {
        ReferencedSOPClassUID: sopClassUid,
        ReferencedSOPInstanceUID: sopInstanceUid,
        ...(segmentNumber === undefined ? {} : { ReferencedSegmentNumber: segmentNumber }),
      },
    ],
  });
}

/** @param template - of PS3.16 that it was filled in by */
export function container(concept: Code, items: readonly ContentItem[], template?: string): ContentItem {
  return item('CONTAINS', 'CONTAINER', concept, {
    ContinuityOfContent: 'SEPARATE',
    ...(template === undefined
      ? {}
      : { ContentTemplateSequence: [{ MappingResource: 'DCMR', TemplateIdentifier: template }] }),
    ...content(items),
  });
}

function content(items: readonly ContentItem[]): Attributes {
  if (items.length === 0) return {};
  return {
    ContentSequence: items.map(({ relationship, attributes }) => ({ RelationshipType: relationship, ...attributes })),
  };
}
