/** Which routes a study takes and why, in words; what `hub routes explain` and the API show. */
import type { Explanation, TestExplanation } from './match.ts';
import { decide, decideAll, isEffective, type Route, type RouteDecision, type SeriesFacts } from './route.ts';

export interface StudyExplanation {
  /** Names of the routes it takes. */
  readonly matched: readonly string[];
  readonly routes: readonly RouteExplanation[];
}

export interface RouteExplanation {
  readonly route: string;
  /**
   * Routes that are not asked are explained too: that is often the answer. `not in effect`: by their dates. `not needed`:
   * a fallback route, and other routes take all it could.
   */
  readonly verdict: 'matches' | 'does not match' | 'disabled' | 'not in effect' | 'not needed';
  readonly fallback?: true;
  readonly processors: readonly string[];
  readonly destinations: readonly string[];
  /** Series that would go. */
  readonly going: readonly string[];
  readonly series: readonly {
    readonly seriesInstanceUid: string;
    readonly instances: number;
    readonly explanation: Explanation;
  }[];
}

/**
 * Holds header values of the study: only for whoever may see them. No side effect.
 *
 * @param atMs - when the study was, or would be, complete
 */
export function explainStudy(routes: readonly Route[], study: readonly SeriesFacts[], atMs: number): StudyExplanation {
  const asked = new Map(decideAll(routes, study, atMs).map((decision) => [decision.route, decision]));
  const explained = routes.map((route) => explainRoute(route, asked.get(route), study, atMs));
  return {
    matched: explained.filter((each) => each.verdict === 'matches').map((each) => each.route),
    routes: explained,
  };
}

function explainRoute(
  route: Route,
  asked: RouteDecision | undefined,
  study: readonly SeriesFacts[],
  atMs: number,
): RouteExplanation {
  const { going, series } = asked ?? { ...decide(route, study), going: [] };
  return {
    route: route.name,
    verdict: asked === undefined ? whyNotAsked(route, atMs) : asked.matched ? 'matches' : 'does not match',
    ...(route.fallback === true ? { fallback: true } : {}),
    processors: route.process.map((step) => step.processor),
    destinations: route.deliver,
    going: going.map((each) => each.seriesInstanceUid),
    series: series.map((each) => ({
      seriesInstanceUid: each.series.seriesInstanceUid,
      instances: each.series.instances,
      explanation: each.explanation,
    })),
  };
}

function whyNotAsked(route: Route, atMs: number): RouteExplanation['verdict'] {
  if (!route.enabled) return 'disabled';
  return isEffective(route, atMs) ? 'not needed' : 'not in effect';
}

/** The explanation as lines of text, in columns: verdict, what is tested, what is expected, what is there. */
export function explanationLines(explanation: Explanation): readonly string[] {
  // The outermost "all" is the rule itself: its verdict stands in the heading.
  const rows =
    explanation.kind === 'all' ? explanation.parts.flatMap((part) => rowsOf(part, '')) : rowsOf(explanation, '');
  if (rows.length === 0) return ['yes (no condition: every study)'];
  const width = (column: 'what' | 'expected') => Math.max(...rows.map((row) => row[column].length));
  const [what, expected] = [width('what'), width('expected')];
  return rows.map((row) =>
    `${row.matched ? 'yes' : 'no '} ${row.what.padEnd(what)}  ${row.expected.padEnd(expected)}  ${row.actual}`.trimEnd(),
  );
}

interface Row {
  readonly matched: boolean;
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

function rowsOf(explanation: Explanation, indent: string): readonly Row[] {
  const { kind, matched } = explanation;
  const heading = { matched, what: indent + kind, expected: '', actual: '' };
  switch (kind) {
    case 'test':
      return [
        { matched, what: indent + explanation.key, expected: explanation.expected, actual: actualOf(explanation) },
      ];
    case 'not':
      return [heading, ...rowsOf(explanation.part, `${indent}  `)];
    case 'any':
      return [heading, ...explanation.parts.flatMap((part) => rowsOf(part, `${indent}  `))];
    case 'all': {
      const [only] = explanation.parts;
      if (explanation.parts.length === 1 && only !== undefined) return rowsOf(only, indent);
      return [heading, ...explanation.parts.flatMap((part) => rowsOf(part, `${indent}  `))];
    }
    default:
      return kind satisfies never;
  }
}

function actualOf({ actual, present, note }: TestExplanation): string {
  const value = present ? `is ${actual.map((each) => JSON.stringify(each)).join(', ')}` : 'is not there';
  return note === undefined ? value : `${value} (${note})`;
}
