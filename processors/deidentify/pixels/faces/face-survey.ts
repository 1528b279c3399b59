/** Where faces are in the head volumes of a study. */
import type { Part10Header } from '../../../../core/dicom/part10.ts';
import type { ByteSource } from '../../../../core/store.ts';

export type FaceFinding =
  | { readonly outcome: 'held'; readonly reason: string }
  | {
      readonly outcome: 'defaced';
      /** One byte a pixel, not 0 goes; `undefined` where a frame has nothing of a face. @param frame - from 0 */
      maskOf(frame: number): Uint8Array | undefined;
    };

export interface FaceSurvey {
  read(study: readonly { readonly open: () => Promise<ByteSource> }[], signal: AbortSignal): Promise<void>;
  /** `undefined` for what is no human head. */
  findingOf(header: Part10Header): FaceFinding | undefined;
}

export function createFaceSurvey(): FaceSurvey {
  return { read: async () => {}, findingOf: () => ({ outcome: 'held', reason: 'a human head' }) };
}
