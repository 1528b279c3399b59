/** Compares what went in with what came out, element by element, with the standard's words in hand. */
import type { PlantedCorpus, PlantedFile } from './corpus.ts';
import { type Dumped, type ExaminedPolicy, type Expectation, expectationOf, isRegistered } from './expectation.ts';
import { CANARY, UID_ROOT } from './values.ts';

/** What an examiner counts; all are 0 in a de-identifier that does what it says. */
export interface Verdict {
  /** A value that had to go can be read. */
  readonly leaks: readonly string[];
  /** An identifier of the patient in an attribute the table does not list. */
  readonly knownLeft: readonly string[];
  /** What had to stay is not there, or not byte for byte. */
  readonly wronglyRemoved: readonly string[];
  readonly uidBreaks: readonly string[];
  readonly dateBreaks: readonly string[];
  readonly markerFaults: readonly string[];
  /** How many elements were held to each expectation: an examiner that looked at nothing finds nothing. */
  readonly examined: Readonly<Record<Expectation, number>>;
}

/** One instance before and after. */
export interface Examined {
  readonly file: PlantedFile;
  readonly source: readonly Dumped[];
  readonly output: readonly Dumped[];
  /** Of source and output, by `searchableText`. */
  readonly sourceText: string;
  readonly outputText: string;
}

/** Canaries, and UIDs as planted. */
const PLANTED = new RegExp(`${CANARY.source}|${UID_ROOT.replaceAll('.', '\\.')}[.\\d]*`, 'gi');
const DAY_MS = 86_400_000;
const MODIFIED = 'retain-longitudinal-modified-dates';
const FULL = 'retain-longitudinal-full-dates';
const CODES: Readonly<Record<string, string>> = {
  'clean-descriptors': '113105',
  [FULL]: '113106',
  [MODIFIED]: '113107',
  'retain-patient-characteristics': '113108',
  'retain-device-identity': '113109',
  'retain-uids': '113110',
  'retain-safe-private': '113111',
  'retain-institution-identity': '113112',
};

export function judge(corpus: PlantedCorpus, policy: ExaminedPolicy, instances: readonly Examined[]): Verdict {
  const judge = new Judge(corpus, policy);
  for (const instance of instances) judge.instance(instance);
  return judge.verdict();
}

class Judge {
  readonly #corpus: PlantedCorpus;
  readonly #policy: ExaminedPolicy;
  readonly #leaks: string[] = [];
  readonly #knownLeft: string[] = [];
  readonly #wronglyRemoved: string[] = [];
  readonly #uidBreaks: string[] = [];
  readonly #dateBreaks: string[] = [];
  readonly #markerFaults: string[] = [];
  readonly #examined: Record<Expectation, number> = {
    gone: 0,
    changed: 0,
    renamed: 0,
    shifted: 0,
    kept: 0,
    optional: 0,
    free: 0,
  };
  readonly #newUid = new Map<string, string>();
  readonly #oldUid = new Map<string, string>();
  readonly #distances = new Set<number>();

  constructor(corpus: PlantedCorpus, policy: ExaminedPolicy) {
    this.#corpus = corpus;
    this.#policy = policy;
  }

  verdict(): Verdict {
    if (this.#distances.size > 1) this.#dateBreaks.push(`dates moved by ${String(this.#distances.size)} distances`);
    if (this.#distances.has(0)) this.#dateBreaks.push('dates did not move');
    return {
      leaks: this.#leaks,
      knownLeft: this.#knownLeft,
      wronglyRemoved: this.#wronglyRemoved,
      uidBreaks: this.#uidBreaks,
      dateBreaks: this.#dateBreaks,
      markerFaults: this.#markerFaults,
      examined: this.#examined,
    };
  }

  instance({ file, source, output, sourceText, outputText }: Examined): void {
    const before = new Map(source.map((one) => [one.path, one]));
    const after = new Map(output.map((one) => [one.path, one]));
    const mayStay = new Set<string>();
    for (const element of source) {
      const expectation = expectationOf(element, before, this.#policy);
      const spelling = this.#corpus.spelled.get(`${String(file.number)} ${element.path}`);
      const at = `${file.name}: ${element.path} ${element.vr}`;
      this.#examined[expectation] += 1;
      const found = after.get(element.path);
      // Where a sequence was planted twice, the first has won: what stands there may be a canary.
      const isSpelled = spelling !== undefined && element.text?.match(CANARY) === null;
      if (isSpelled && expectation !== 'gone') {
        const left = spelling.traces.filter((trace) => found?.text?.toLowerCase().includes(trace) === true);
        if (left.length > 0) this.#knownLeft.push(`${at}: ${spelling.how}`);
        continue;
      }
      if (expectation === 'kept' || expectation === 'optional')
        for (const [planted] of (element.text ?? '').matchAll(PLANTED)) mayStay.add(planted.toLowerCase());
      this.#element(element, found, expectation, at);
    }
    this.#wholeFile(file, sourceText, outputText, mayStay);
    this.#markers(file, output, before);
  }

  #element(element: Dumped, found: Dumped | undefined, expectation: Expectation, at: string): void {
    switch (expectation) {
      case 'gone':
        if (found !== undefined && element.vr !== 'SQ') this.#leaks.push(`${at}: still there`);
        return;
      case 'changed':
        if (found === undefined || element.vr === 'SQ' || element.value === '' || /^(?:20)*$/.test(element.value))
          return;
        if (found.value === element.value) this.#leaks.push(`${at}: not changed`);
        return;
      case 'renamed':
        this.#uids(element, found, at);
        return;
      case 'shifted':
        this.#dates(element, found, at);
        return;
      case 'kept':
        if (found === undefined) this.#wronglyRemoved.push(`${at}: gone`);
        else if (found.value !== element.value)
          this.#wronglyRemoved.push(`${at}: ${element.text ?? element.value} became ${found.text ?? found.value}`);
        return;
      case 'optional':
      case 'free':
        return;
      default:
        expectation satisfies never;
    }
  }

  #uids(element: Dumped, found: Dumped | undefined, at: string): void {
    const olds = valuesOf(element);
    if (found === undefined || olds.join('') === '') return;
    const news = valuesOf(found);
    if (news.length !== olds.length) this.#uidBreaks.push(`${at}: another number of UIDs`);
    for (const [index, old] of olds.entries()) {
      const fresh = news[index] ?? '';
      if (isRegistered(old) || this.#policy.options?.includes('retain-uids') === true) {
        if (fresh !== old) this.#uidBreaks.push(`${at}: a UID that names no instance was replaced`);
        continue;
      }
      if (fresh === old) this.#leaks.push(`${at}: the UID stayed`);
      if (!/^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+$/.test(fresh) || fresh.length > 64)
        this.#uidBreaks.push(`${at}: ${fresh} is no UID`);
      const known = this.#newUid.get(old) ?? fresh;
      const other = this.#oldUid.get(fresh) ?? old;
      if (known !== fresh) this.#uidBreaks.push(`${at}: one UID became two`);
      if (other !== old) this.#uidBreaks.push(`${at}: two UIDs became one`);
      this.#newUid.set(old, fresh);
      this.#oldUid.set(fresh, old);
    }
  }

  #dates(element: Dumped, found: Dumped | undefined, at: string): void {
    if (found === undefined || element.value === '' || found.value === '') return;
    const old = element.text ?? '';
    const fresh = found.text ?? '';
    const distance = (dayOf(fresh) - dayOf(old)) / DAY_MS;
    if (!Number.isInteger(distance)) this.#dateBreaks.push(`${at}: ${fresh} is no day`);
    else this.#distances.add(distance);
    if (fresh.slice(8) !== old.slice(8)) this.#dateBreaks.push(`${at}: the time of day changed`);
  }

  /** Whatever the parsers make of it: no canary, UID or identifier anywhere in the bytes. */
  #wholeFile(file: PlantedFile, sourceText: string, outputText: string, mayStay: ReadonlySet<string>): void {
    for (const [planted] of outputText.matchAll(PLANTED)) {
      const lower = planted.toLowerCase();
      // The byte behind a UID may look like a digit of it: group 3002 does.
      if (!mayStay.has(lower) && !mayStay.has(lower.slice(0, -1)))
        this.#leaks.push(`${file.name}: ${lower} in the bytes, ${around(sourceText, lower)}`);
    }
    const { family, given, id, numericId, birthDate, physician } = this.#corpus.patient;
    const dates = this.#policy.options?.includes(MODIFIED) === true ? [] : [birthDate];
    // Seven digits of a number stand in one of many thousand new UIDs by chance, and say nothing there.
    const besideNewUids = outputText.replaceAll(/2\.25\.\d+/g, (uid) =>
      this.#oldUid.has(uid) || this.#oldUid.has(uid.slice(0, -1)) ? '' : uid,
    );
    for (const text of [family, given, id, numericId.replace(/^0+/, ''), physician, ...dates])
      if (besideNewUids.includes(text.toLowerCase()))
        this.#knownLeft.push(`${file.name}: ${text} in the bytes, ${around(outputText, text.toLowerCase())}`);
  }

  /** PS3.15 Section E.1.1, E.3: what has to be said, and what must not. */
  #markers(file: PlantedFile, output: readonly Dumped[], before: ReadonlyMap<string, Dumped>): void {
    const text = (path: string) => output.find((one) => one.path === path)?.text?.trim() ?? '';
    const fault = (what: string) => this.#markerFaults.push(`${file.name}: ${what}`);
    const options = this.#policy.options ?? [];
    if (text('00120062') !== 'YES') fault('(0012,0062) is not YES');
    if (text('00120063') === '') fault('(0012,0063) says nothing');
    const codes = output.filter(({ path }) => /^00120064\/\d+\/00080100$/.test(path)).map((one) => one.text?.trim());
    for (const code of ['113100', ...options.map((option) => CODES[option])])
      if (codes.filter((one) => one === code).length !== 1) fault(`(0012,0064) has ${String(code)} not once`);
    if (codes.length !== options.length + 1) fault('(0012,0064) has more codes than options');
    const temporal = options.includes(FULL) ? 'UNMODIFIED' : options.includes(MODIFIED) ? 'MODIFIED' : 'REMOVED';
    if (text('00280303') !== temporal) fault(`(0028,0303) is not ${temporal}`);
    for (const path of ['00280301', '00280302'])
      if (text(path) === 'NO' && before.get(path)?.text?.trim() !== 'NO') fault(`${path} claims what did not run`);
  }
}

function valuesOf({ text }: Dumped): readonly string[] {
  return (text ?? '').split('\\').map((uid) => uid.replaceAll('\0', '').trim());
}

function dayOf(text: string): number {
  const [, year, month, day] = /^(\d{4})(\d{2})(\d{2})/.exec(text) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(day));
}

function around(text: string, what: string): string {
  const at = text.indexOf(what);
  return JSON.stringify(text.slice(Math.max(0, at - 20), at + what.length + 12));
}
