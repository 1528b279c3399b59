/** What each verdict is called, and what it asks for. */
import type { Verdict } from '../qc/verdict.ts';

interface Words {
  readonly word: string;
  readonly title: string;
  readonly counted: string;
  readonly meaning: string;
}

export const VERDICTS: Readonly<Record<Verdict, Words>> = {
  pass: {
    word: '✓ Pass',
    title: 'nothing to do',
    counted: 'passed',
    meaning: 'within the limits of the site and of the accepted scans before.',
  },
  warn: {
    word: '! Look',
    title: 'look at what is listed before the subject leaves the scanner',
    counted: 'to look at',
    meaning: 'something is unusual, or beyond a warning limit.',
  },
  fail: {
    word: '✗ Fail',
    title: 'repeat or repair what is listed while the subject is still in the scanner',
    counted: 'failed',
    meaning: 'beyond a limit, or not whole.',
  },
  'not-enough-history': {
    word: '? Not judged',
    title: 'too few accepted scans of this scanner and protocol to judge by',
    counted: 'not judged',
    meaning: 'nothing wrong was found, but there is no limit of the site and too short a history.',
  },
};

/** What somebody has to act on weighs most. */
export const RANK: Readonly<Record<Verdict, number>> = { pass: 0, 'not-enough-history': 1, warn: 2, fail: 3 };
