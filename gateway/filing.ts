/**
 * The names that a received object is filed under. They are its own, but for what a partner returns: its UIDs are claims
 * that may be those of an original or of another partner's, so it is filed under names that nothing else can have.
 */
import { isUid, parseSeriesInstanceUid, parseSopInstanceUid, parseStudyInstanceUid } from '../core/identifiers.ts';
import type { Examined } from './header/describe.ts';
import type { Expected } from './offer.ts';

/** From a UID as it was sent to the one it is filed under; the same for the same. */
export type FileNames = (uid: string) => string;

export function filedExamined(examined: Examined, names: FileNames | undefined): Examined {
  if (names === undefined) return examined;
  return {
    ...examined,
    studyInstanceUid: parseStudyInstanceUid(names(examined.studyInstanceUid)),
    seriesInstanceUid: parseSeriesInstanceUid(names(examined.seriesInstanceUid)),
    sopInstanceUid: parseSopInstanceUid(names(examined.sopInstanceUid)),
  };
}

/** What was announced of an object that cannot be read: its quarantine entry stands beside nobody else's study. */
export function filedExpected(expected: Expected, names: FileNames | undefined): Expected {
  if (names === undefined) return expected;
  const filed = (uid: string | undefined) => (uid === undefined || !isUid(uid) ? uid : names(uid));
  return {
    ...expected,
    sopInstanceUid: filed(expected.sopInstanceUid),
    studyInstanceUid: filed(expected.studyInstanceUid),
  };
}
