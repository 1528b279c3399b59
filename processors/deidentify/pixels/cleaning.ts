/**
 * What the de-identification engine and the pixel room agree on: types, and nothing that runs (PS3.15 Sections E.3.1 and
 * E.3.2). The engine asks `survey` once a study, before anything is written, then `clean` once an instance, and writes
 * what it is handed: it never looks into pixels itself.
 */
import type { Part10Header } from '../../../core/dicom/part10.ts';
import type { ByteSource } from '../../../core/store.ts';

/** What a policy asks for, with every default filled in: plain data, part of the plan and of its hash. */
export interface PixelPolicy {
  /**
   * `quarantine`: no pixel is touched, what may show text is held. `blank-regions`: where a device is known to write,
   * it is blanked; what may show text and comes from no such device is held. `detect-text`: that, and every frame is
   * looked at.
   */
  readonly text: 'quarantine' | 'blank-regions' | 'detect-text';
  /** Of text that was detected: it is blanked with a margin, or the study is held. */
  readonly foundText: 'blank' | 'quarantine';
  /** Of human heads: released as they are, held, or defaced; held where it cannot be told whether it is one. */
  readonly faces: 'keep' | 'quarantine' | 'deface';
  /** The policy's own; they are asked before those that come with the hub. */
  readonly signatures: readonly DeviceSignature[];
}

/** Where a device writes text: all conditions must hold. */
export interface DeviceSignature {
  readonly name: string;
  readonly when: {
    readonly manufacturer?: string | undefined;
    readonly model?: string | undefined;
    readonly modality?: string | undefined;
    readonly sopClassUid?: string | undefined;
    /** Values that all stand in Image Type. */
    readonly imageType?: readonly string[] | undefined;
    readonly rows?: number | undefined;
    readonly columns?: number | undefined;
  };
  /** An empty list says that this device is known to write nothing into these. */
  readonly regions: readonly Region[];
}

/** In pixels from the upper left corner; a negative `x` or `y` counts from the right or lower edge. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One instance as stored. `source` stays open while what was answered is read. */
export interface StoredImage {
  readonly source: ByteSource;
  readonly header: Part10Header;
}

/** One study's: bounded memory, its child processes end with `close`. */
export interface PixelCleaner {
  /**
   * Looks at what one instance alone does not tell: a face is in a series. Reads every instance once, one at a time,
   * when the policy asks for defacing, none otherwise. What it finds wrong is held by `clean`.
   */
  survey(study: readonly { readonly open: () => Promise<ByteSource> }[], signal: AbortSignal): Promise<void>;
  /** @throws {HubError} only when the source fails or the signal fires; content that is wrong is `held` */
  clean(image: StoredImage, signal: AbortSignal): Promise<CleaningOutcome>;
  /** Harmless twice. */
  close(): Promise<void>;
}

export type CleaningOutcome = PixelsHeld | PixelsUntouched | PixelsCleaned;

export interface PixelsHeld {
  readonly outcome: 'held';
  /** Fixed words: never a value. */
  readonly reason: string;
}

/** The pixel data element is copied byte by byte, as it is without any cleaning; instances without one are this too. */
export interface PixelsUntouched {
  readonly outcome: 'untouched';
  readonly claims: PixelClaims;
}

export interface PixelsCleaned {
  readonly outcome: 'cleaned';
  readonly claims: PixelClaims;
  /** Of the output. Its explicitness and byte order are always those of the source: the header's encoding stays. */
  readonly transferSyntaxUid: string;
  /** To be written instead of what the walk decides, or besides it, at the top level; in ascending order of tags. */
  readonly attributes: readonly AttributeChange[];
  /** The whole (7FE0,0010), its own header included, in the output's encoding. Once; `source` must stay open. */
  readonly pixelData: AsyncIterable<Uint8Array>;
  /**
   * Once `pixelData` was read: true when everything that was written decodes to the source's values outside what was
   * blanked, by frames that were read again from the source.
   */
  isFaithful(): Promise<boolean>;
}

export interface AttributeChange {
  readonly tag: number;
  readonly vr: string;
  /** `undefined` takes the attribute out. */
  readonly value: string | Uint8Array | undefined;
}

/** What may be said of the output, and only that: (0028,0301), (0028,0302), the codes of PS3.16 CID 7050, the report. */
export interface PixelClaims {
  /** (0028,0301) `NO` and code 113101: text was looked for in every frame, or a signature says where it is. */
  readonly isFreeOfText: boolean;
  /** (0028,0302) `NO` and code 113102: defaced, or certainly no human head. */
  readonly isFreeOfFaces: boolean;
  /** Of frames. */
  readonly framesBlanked: number;
  /** Of rectangles, over all frames: by signature and by detection. */
  readonly regionsBlanked: number;
  readonly textsFound: number;
  readonly isDefaced: boolean;
}
