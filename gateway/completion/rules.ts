/** The rule in force for a study: what its source is configured with, stretched by the routes that would take it. */
import type { RoutePatience } from '../../core/completion.ts';
import type { CompletionRule } from '../../core/ledger/instances.ts';
import type { SeriesRow } from '../../core/ledger/studies.ts';
import type { StudyRule } from './decide.ts';
import type { SourceQuery } from './query.ts';

/** What the configuration says for one source, or for all. */
export interface CompletionSettings {
  readonly quietMs: number;
  readonly forceMs: number;
  /** A release shortens the wait to this; undefined: it says nothing. */
  readonly afterReleaseMs?: number | undefined;
  /** Counts in the headers that are met shorten the wait to this; undefined: they say nothing. */
  readonly afterCountsMs?: number | undefined;
  /** A storage commitment request whose list is here completes the study. On unless it is said. */
  readonly onCommitment?: boolean | undefined;
}

export interface CompletionOptions extends CompletionSettings {
  /** Of the configuration they come from. */
  readonly configVersion?: string;
  /** By source name. */
  readonly sources?: Readonly<Record<string, Partial<CompletionSettings>>>;
  /** Where the sources that answer can be asked, by name. */
  readonly queries?: Readonly<Record<string, SourceQuery>>;
  /** What the routes ask that would take a study of these series; a pure function. */
  readonly patienceOf?: (series: readonly SeriesRow[]) => RoutePatience;
  /** The shortest quiet period of any route: one that is shorter than its source's must be looked at earlier. */
  readonly shortestRouteQuietMs?: number | undefined;
}

export interface Rules {
  readonly configVersion: string | undefined;
  /** Where a source that answers can be asked; undefined: it cannot. */
  queryOf(source: string): SourceQuery | undefined;
  /** For the timer that an arrival starts. */
  timerOf(source: string): CompletionRule;
  afterReleaseMsOf(source: string): number | undefined;
  of(source: string, series: readonly SeriesRow[]): StudyRule;
}

function completionRules(options: CompletionOptions): Rules {
  const settingsOf = (source: string): CompletionSettings => ({ ...options, ...options.sources?.[source] });
  return {
    configVersion: options.configVersion,
    queryOf: (source) => options.queries?.[source],
    timerOf(source) {
      const { quietMs, forceMs, afterCountsMs = quietMs } = settingsOf(source);
      const lookMs = Math.min(quietMs, afterCountsMs, options.shortestRouteQuietMs ?? quietMs);
      return { quietMs, forceMs, ...(lookMs < quietMs ? { lookMs } : {}) };
    },
    afterReleaseMsOf: (source) => settingsOf(source).afterReleaseMs,
    of(source, series) {
      const { quietMs, forceMs, afterReleaseMs, afterCountsMs, onCommitment = true } = settingsOf(source);
      const patience = options.patienceOf?.(series) ?? NO_ROUTES;
      return {
        quietMs: longest(quietMs, patience.quietMs),
        forceMs: longest(forceMs, patience.forceMs),
        afterReleaseMs,
        afterCountsMs,
        onCommitment,
        isSourceAsked: options.queries?.[source] !== undefined,
        required: patience.required,
        whenMissing: patience.whenMissing,
      };
    },
  };
}

/** Rules that are exchanged while the hub runs: who asks gets the answer of those in force. */
export class ChangingRules implements Rules {
  #rules: Rules;

  constructor(options: CompletionOptions) {
    this.#rules = completionRules(options);
  }

  set(options: CompletionOptions): void {
    this.#rules = completionRules(options);
  }

  get configVersion(): string | undefined {
    return this.#rules.configVersion;
  }

  queryOf(source: string): SourceQuery | undefined {
    return this.#rules.queryOf(source);
  }

  timerOf(source: string): CompletionRule {
    return this.#rules.timerOf(source);
  }

  afterReleaseMsOf(source: string): number | undefined {
    return this.#rules.afterReleaseMsOf(source);
  }

  of(source: string, series: readonly SeriesRow[]): StudyRule {
    return this.#rules.of(source, series);
  }
}

const NO_ROUTES: RoutePatience = { quietMs: [], forceMs: [], required: [], whenMissing: 'proceed' };

/** A route that says nothing waits as long as the source says. */
function longest(ofSourceMs: number, ofRoutesMs: readonly (number | undefined)[]): number {
  return ofRoutesMs.length === 0 ? ofSourceMs : Math.max(...ofRoutesMs.map((ms) => ms ?? ofSourceMs));
}
