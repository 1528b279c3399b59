/** Coded concepts (PS3.3 Section 8.8) as items of a sequence, and the scheme of our own for what nobody has coded. */
import type { Attributes } from '../../core/dicom/encode.ts';

export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

/** PS3.3 Section 8.2: designators beginning with 99 are private. What its codes mean stands in docs/results.md. */
export const OWN_SCHEME = '99HUB';

export function dcm(value: string, meaning: string): Code {
  return { value, scheme: 'DCM', meaning };
}

export function sct(value: string, meaning: string): Code {
  return { value, scheme: 'SCT', meaning };
}

export function own(value: string, meaning: string): Code {
  return { value, scheme: OWN_SCHEME, meaning };
}

/** A unit of measure; UCUM says that the code stands for itself. */
export function ucum(value: string, meaning = value): Code {
  return { value, scheme: 'UCUM', meaning };
}

/** Code Meaning has VR LO: at most 64 characters. */
export function codeItem({ value, scheme, meaning }: Code): Attributes {
  return { CodeValue: value, CodingSchemeDesignator: scheme, CodeMeaning: meaning.slice(0, 64) };
}
