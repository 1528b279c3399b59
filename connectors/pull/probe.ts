/** Tries the way of a pull end to end: its source is reached, answers the very question, and will send to us. */
import { count } from '../../core/count.ts';
import { type Diagnosis, fine, warning, wrong } from '../../core/diagnosis.ts';
import { HubError, toHubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { PullRange } from '../../core/ledger/pulls.ts';
import { isCertificateAlert } from '../probe/tls.ts';
import { readAccessions } from './accessions.ts';
import type { PullOptions } from './options.ts';
import { questionsOf } from './questions.ts';
import { probePacs } from './probe-pacs.ts';
import { probeOrigin } from './probe-origin.ts';
import type { AskSource, PullProbe } from './probe-parts.ts';
import type { PullSource } from './source.ts';

/** A question of the pull itself, cut short: nobody wants the whole answer. */
const MAX_MATCHES = 20;
const QUERY = 'query of this pull';

/** Nothing is stored, and of patients nothing is said: UIDs and counts are all that is looked at. */
export async function* probePull(written: PullOptions, probe: PullProbe): AsyncGenerator<Diagnosis> {
  const options = { ...written, maxMatches: Math.min(written.maxMatches, MAX_MATCHES) };
  const range = await firstQuestion(options);
  if ('verdict' in range) {
    yield range;
    return;
  }
  const ask: AskSource = (source, name) => askSource(source, name, range, options, probe.signal);
  if (options.from.kind === 'dicomweb') yield* probeOrigin(options, options.from, ask, probe);
  else yield* probePacs(options, options.from, ask, probe);
}

/** As a run by hand would begin now. */
async function firstQuestion(options: PullOptions): Promise<PullRange | Diagnosis> {
  const { accessions } = options.query;
  try {
    const list = accessions === undefined ? undefined : await readAccessions(accessions.file, accessions.column);
    const [first] = questionsOf({ kind: 'manual' }, options, list, new Date());
    if (first !== undefined) return first;
    return wrong(
      'accessions',
      'The list of accession numbers is empty',
      'A run would ask for nothing.',
      `Write numbers into the file of accessions of the ${QUERY}, one a line.`,
    );
  } catch (error) {
    const failure = toHubError(error);
    if (failure.code !== 'pull.list-unreadable') throw error;
    return wrong(
      'accessions',
      'The list of accession numbers cannot be read',
      `${failure.row.title}: ${String(failure.fields['detail'])}.`,
      `Correct file or column of accessions of the ${QUERY}, or make the file readable for the hub's user.`,
    );
  }
}

async function* askSource(
  source: Pick<PullSource, 'find' | 'series'>,
  name: string,
  range: PullRange,
  options: Pick<PullOptions, 'query'>,
  signal: AbortSignal,
): AsyncGenerator<Diagnosis, StudyInstanceUid | undefined> {
  const what = `${name} with the ${QUERY}${rangeText(range)}`;
  let found: Awaited<ReturnType<PullSource['find']>>;
  try {
    found = await source.find(range, signal);
  } catch (error) {
    if (!(error instanceof HubError) || signal.aborted) throw error;
    yield queryFailure(error, what);
    return undefined;
  }
  const { studies, isCut, strays, nameless } = found;
  if (strays > 0) {
    yield warning(
      'query.strays',
      `${what} brings ${count(strays, 'study that was', 'studies that were')} not asked for`,
      'The source does not look at every key of the question. The hub leaves such studies alone.',
      'Have it index study date, accession number and modality, or ask by keys that it knows.',
    );
  }
  if (nameless > 0) {
    yield wrong(
      'query.nameless',
      `${what} finds ${count(nameless, 'study', 'studies')} without a valid Study Instance UID`,
      'Such a study cannot be named, and so not be fetched. Runs that find it end incomplete.',
      'Have it mended at its source.',
    );
  }
  const [first] = studies;
  if (first === undefined && nameless > 0) return undefined;
  if (first === undefined) {
    yield warning(
      'query',
      `${what} finds no study`,
      'There is none that matches just now, or our account or the keys leave them all out.',
      'If there should be one, look it up at the source and compare date, modality and the other keys with the query.',
    );
    return undefined;
  }
  const many = isCut ? `${String(studies.length)} studies and more` : `${String(studies.length)} studies`;
  yield fine('query', `${what} finds ${studies.length === 1 && !isCut ? '1 study' : many}`);
  if (options.query.modality === undefined && range.from === undefined && range.accessionNumber === undefined) {
    yield warning(
      'query.wide',
      'The query is limited by neither day, accession number nor modality',
      'A run asks for all of it at once; more than maxMatches is an error that stands in the run.',
      `Give the ${QUERY} a studyDate.`,
    );
  }
  return yield* countSeries(source, first.studyInstanceUid, name, signal);
}

/** What a fetched study is held against. */
async function* countSeries(
  source: Pick<PullSource, 'series'>,
  study: StudyInstanceUid,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<Diagnosis, StudyInstanceUid | undefined> {
  try {
    const series = await source.series(study, signal);
    const instances = series.reduce((sum, each) => sum + each.instances, 0);
    if (instances > 0) {
      yield fine(
        'counts',
        `${name} counts one of them: ${String(series.length)} series, ${String(instances)} instances`,
      );
      return study;
    }
    yield wrong(
      'counts',
      `${name} lists a study and nothing in it`,
      'A study that was fetched is held against what its source counts: this one would never be whole.',
      'Look the newest study up at the source: it may be archived elsewhere, or its index damaged.',
    );
  } catch (error) {
    if (!(error instanceof HubError) || signal.aborted) throw error;
    yield queryFailure(error, `${name} for the series of a study`, 'counts');
  }
  return undefined;
}

function queryFailure(error: HubError, what: string, id = 'query'): Diagnosis {
  const { status, detail } = error.fields;
  if (error.code === 'pull.keys-ignored') {
    return wrong(
      id,
      `${what} is answered without looking at all keys`,
      'The source says that it does not support a key that narrows the question: a run would fetch what was not asked for, so it is refused.',
      'Take that key (studyDescription, stationName, match) out of the query, or have the source support it.',
    );
  }
  if (error.code === 'partner.timeout') {
    return wrong(
      id,
      `${what} is not answered in time`,
      'It took the question and said nothing.',
      'Narrow the query, raise timeouts.answer of this pull, or look at the load of the source.',
    );
  }
  if (typeof status === 'number') {
    const { shown, why, remedy } = statusSentence(status);
    return wrong(id, `${what} is refused (${shown})`, why, remedy);
  }
  const { reason } = error.fields;
  if (typeof reason === 'string' && isCertificateAlert(reason)) {
    return wrong(
      id,
      `${what} fails`,
      `The source wants a certificate of ours, and takes none or not this one (${reason}).`,
      'Name certificate and key under from.dicomweb.tls of this pull, signed by an authority that the source trusts.',
    );
  }
  return wrong(
    id,
    `${what} fails`,
    `${error.row.title}${typeof detail === 'string' ? `: ${detail}` : ''}.`,
    'Look at the log of the source for the same minute.',
  );
}

/** HTTP's are below 600; PS3.4 Table C.4-1 has the others. */
function statusSentence(status: number): { readonly shown: string; readonly why: string; readonly remedy: string } {
  const log = 'Look at the log of the source for the same minute.';
  const shown =
    status < 600 && status >= 100 ? String(status) : `0x${status.toString(16).toUpperCase().padStart(4, '0')}`;
  if (status === 401 || status === 403) {
    return {
      shown,
      why: 'The source wants credentials, or our account may not search.',
      remedy:
        'Correct auth under from.dicomweb of this pull, or have the source allow our account to search and retrieve.',
    };
  }
  if (status === 404) {
    return {
      shown,
      why: 'There is nothing at this path.',
      remedy: 'Correct url under from.dicomweb: the base of its DICOMweb service, to which /studies is added.',
    };
  }
  if (status === 400 || status === 0xa900)
    return {
      shown,
      why: 'The source does not understand a key of the question.',
      remedy: `Take the keys of match out of the ${QUERY} one by one.`,
    };
  if (status === 0xa700) return { shown, why: 'The source is out of resources.', remedy: log };
  if (status === 0x0124)
    return { shown, why: 'We are not allowed to search there.', remedy: 'Have the source allow it for our AE title.' };
  return { shown, why: 'The source could not process the question.', remedy: log };
}

/** `for the days 2026-03-01 to 2026-03-03`. Of an accession number only that there is one. */
function rangeText({ from, to, accessionNumber }: PullRange): string {
  const day = (text: string) => text.replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3');
  const number = accessionNumber === undefined ? '' : ', its first accession number';
  if (from === undefined || to === undefined) return number;
  return `${number}, ${from === to ? day(from) : `${day(from)} to ${day(to)}`},`;
}
