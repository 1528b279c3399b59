import Mocha from 'mocha';
import { PeerUnavailable } from './peer-unavailable.ts';
import { skipReason } from './skip.ts';

const SLOW_MS = 1000;

/** What a run came to. A hook or a file that broke counts as one failure; the tests it kept from running are skipped. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Prints a run: a line per test under its suite's title, the reason beside each skip, each failure with its diff.
 *
 * @param runner - not started yet, with mocha's `Base` reporter on it, which makes ready what the diffs are printed from
 * @returns the counts, complete when the runner has ended
 */
export function reportTo(runner: Mocha.Runner, write: (line: string) => void): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: Mocha.Test[] = [];
  let shown: readonly Mocha.Suite[] = [];

  const heading = (test: Mocha.Runnable): string => {
    const suites = suitesAround(test);
    suites.forEach((suite, depth) => {
      if (shown[depth] !== suite) write(`${'  '.repeat(depth)}${suite.title}`);
    });
    shown = suites;
    return '  '.repeat(suites.length);
  };
  const line = (test: Mocha.Runnable, mark: string, note = '') => write(`${heading(test)}${mark} ${test.title}${note}`);
  const skipped = (test: Mocha.Runnable, reason: string) => {
    counts.skipped += 1;
    line(test, '-', ` (skipped: ${reason})`);
  };

  runner.on('pass', (test) => {
    counts.passed += 1;
    const durationMs = test.duration ?? 0;
    line(test, '✓', durationMs >= SLOW_MS ? ` (${(durationMs / 1000).toFixed(1)} s)` : '');
  });
  runner.on('pending', (test) => {
    skipped(test, skipReason(test) ?? 'no reason given; use skip(this, reason) of tests/support/skip.ts');
  });
  runner.on('fail', (test: Mocha.Test | Mocha.Hook, error: unknown) => {
    if (PeerUnavailable.isAccepted(error)) {
      const unrun = test.type === 'hook' ? unrunBecauseOf(test) : [test];
      for (const each of unrun) skipped(each, error.message);
      return;
    }
    counts.failed += 1;
    failures.push(test as Mocha.Test);
    line(test, `${counts.failed})`);
    if (test.type === 'hook') {
      for (const each of unrunBecauseOf(test)) skipped(each, `the hook of failure ${counts.failed} broke`);
    }
  });
  runner.once('end', () => {
    if (failures.length > 0) Mocha.reporters.Base.list(failures);
  });
  return counts;
}

function suitesAround(test: Mocha.Runnable): readonly Mocha.Suite[] {
  const suites: Mocha.Suite[] = [];
  for (let suite = test.parent; suite !== undefined && !suite.root; suite = suite.parent) suites.unshift(suite);
  return suites;
}

/** Mocha says nothing about the tests behind a broken hook; a reader must see that they did not run. */
function unrunBecauseOf(hook: Mocha.Hook): readonly Mocha.Test[] {
  const unrun: Mocha.Test[] = [];
  if (hook.parent !== undefined && !hook.title.startsWith('"after')) {
    hook.parent.eachTest((test) => {
      if (test.state === undefined && !test.isPending()) unrun.push(test);
    });
  }
  return unrun;
}
