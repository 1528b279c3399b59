/** What a look into a watched folder finds. */

/** A regular file as it was when it was looked at. */
export interface FoundFile {
  readonly path: string;
  /** Relative to the watched folder, with forward slashes. It may name a patient: never in a log. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** The same as long as nobody wrote to the file or changed its rights. */
  readonly fingerprint: string;
}
