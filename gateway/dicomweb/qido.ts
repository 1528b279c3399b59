/** QIDO-RS (PS3.18 Section 10.6): searches for studies, series and instances. Who may ask is decided before it. */
import express, { type Request, type Response, type Router } from 'express';
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { JsonDataSet } from '../../core/dicom/json-model.ts';
import { readHeader } from '../../core/dicom/part10.ts';
import { HubError } from '../../core/errors.ts';
import { isUid } from '../../core/identifiers.ts';
import type { Logger } from '../../core/ports.ts';
import type { Condition, Found, Search, SearchKey, SearchLevel, StudySearch } from '../../core/search.ts';
import type { ObjectStore } from '../../core/store.ts';
import { MORE_COUNTED } from '../../core/search.ts';
import { acceptedRanges, admits } from './accept.ts';
import { answerOf, fieldsOf, unanswerable, type Wanted } from './qido-answer.ts';
import { parseQidoQuery } from './qido-query.ts';
import { rootUrl } from './root-url.ts';

export interface QidoPorts {
  readonly search: StudySearch;
  /** For what only an instance itself says. */
  readonly store: ObjectStore;
  readonly log: Logger;
  /** Most matches in one answer; the rest is asked for with `offset`. */
  readonly maxResults?: number;
}

const MAX_RESULTS = 1_000;
/** Instances opened at once for one answer. */
const MAX_OPEN = 8;
/** Clients take some KiB of header fields. */
const MAX_NAMED = 16;
const DICOM_JSON = 'application/dicom+json';
const JSON_TYPE = 'application/json';
const LEVELS: readonly SearchLevel[] = ['study', 'series', 'instance'];

interface Resource {
  readonly path: string;
  readonly level: SearchLevel;
}

/** PS3.18 Table 10.6.1-1 */
const RESOURCES: readonly Resource[] = [
  { path: '/studies', level: 'study' },
  { path: '/series', level: 'series' },
  { path: '/instances', level: 'instance' },
  { path: '/studies/:study/series', level: 'series' },
  { path: '/studies/:study/instances', level: 'instance' },
  { path: '/studies/:study/series/:series/instances', level: 'instance' },
];

/** Its errors are thrown: the application's problem handler answers them. No value of a query gets into a log. */
export function qidoRouter(ports: QidoPorts): Router {
  const router = express.Router();
  for (const resource of RESOURCES) {
    router.get(resource.path, async (request: Request<Record<string, string>>, response) => {
      const hangUp = new AbortController();
      response.once('close', () => hangUp.abort());
      try {
        await serve(request, response, { ...resource, signal: hangUp.signal }, ports);
      } catch (error) {
        // The client hung up: nobody is left to be told.
        if (!hangUp.signal.aborted) throw error;
      }
    });
  }
  return router;
}

async function serve(
  request: Request<Record<string, string>>,
  response: Response,
  { level, signal }: Resource & { readonly signal: AbortSignal },
  ports: QidoPorts,
): Promise<void> {
  const startedMs = performance.now();
  const type = mediaTypeOf(request);
  const scope = scopeOf(request.params);
  const { searchParams } = new URL(request.originalUrl, 'http://localhost');
  const query = parseQidoQuery(searchParams, level, { maxResults: ports.maxResults ?? MAX_RESULTS });
  const fixed = scope.map(({ key }) => (key === 'StudyInstanceUID' ? 'study' : 'series'));
  const wanted: Wanted = {
    level,
    include: query.include,
    above: LEVELS.slice(0, LEVELS.indexOf(level)).filter(
      (above): above is 'study' | 'series' => above !== 'instance' && !fixed.includes(above),
    ),
  };
  const search: Search = {
    level,
    conditions: [...scope, ...query.conditions],
    studyFields: fieldsOf(wanted, 'study'),
    seriesFields: fieldsOf(wanted, 'series'),
    offset: query.offset,
    limit: query.limit,
  };
  const { found, more } = await ports.search.find(search, signal);
  const base = rootUrl(request);
  // Patient data: for the one who asked, never for a cache.
  response.setHeader('Cache-Control', 'private, no-store');
  const answers = found.length === 0 ? [] : await answersOf(found, { wanted, base, signal }, ports);
  const headless = answers.filter(({ isHeadless }) => isHeadless).length;
  warn(response, base, { more, wantsFuzzy: query.wantsFuzzy, missing: unanswerable(wanted), headless });
  if (answers.length === 0) {
    // PS3.18 Table 10.6.3-1: no matches.
    response.status(204).end();
  } else {
    // Without a charset: the model is UTF-8 always (PS3.18 Section F.2), and clients compare the type letter by letter.
    response.status(200).setHeader('Content-Type', type);
    response.end(JSON.stringify(answers.map(({ answer }) => answer)));
  }
  ports.log.debug('search answered', {
    level,
    keys: search.conditions.map(({ key }) => key),
    matches: answers.length,
    durationSeconds: (performance.now() - startedMs) / 1000,
  });
}

/** @throws {HubError} `request.not-acceptable`: XML is not offered */
function mediaTypeOf(request: Request<Record<string, string>>): string {
  for (const range of acceptedRanges(request)) {
    const type = [DICOM_JSON, JSON_TYPE].find((offered) => admits(range.type, offered));
    if (type !== undefined) return type;
  }
  throw new HubError('request.not-acceptable', { detail: `searches are answered in ${DICOM_JSON}` });
}

/** The study and series a path names. @throws {HubError} `request.invalid` */
function scopeOf({ study, series }: Readonly<Record<string, string>>): readonly Condition[] {
  const scope = (key: SearchKey, uid: string | undefined): readonly Condition[] => {
    if (uid === undefined) return [];
    if (!isUid(uid)) throw new HubError('request.invalid', { detail: `the ${key} of the path is not a UID` });
    return [{ key, match: { kind: 'any', values: [uid] } }];
  };
  return [...scope('StudyInstanceUID', study), ...scope('SeriesInstanceUID', series)];
}

/** PS3.18 Sections 8.3.4.2 and 8.3.4.4, RFC 7234 Section 5.5: 299, who warns, and the text. */
function warn(
  response: Response,
  service: string,
  about: {
    readonly more: number;
    readonly wantsFuzzy: boolean;
    readonly missing: readonly string[];
    readonly headless: number;
  },
): void {
  const texts: string[] = [];
  if (about.wantsFuzzy) {
    texts.push('The fuzzymatching parameter is not supported. Only literal matching has been performed.');
  }
  if (about.more > 0) {
    const count = about.more >= MORE_COUNTED ? `${MORE_COUNTED} or more` : String(about.more);
    texts.push(`There are ${count} additional results that can be requested`);
  }
  if (about.missing.length > 0) {
    const further = about.missing.length - MAX_NAMED;
    const names = about.missing.slice(0, MAX_NAMED).join(', ');
    texts.push(`Not known here: ${names}${further > 0 ? ` and ${further} more` : ''}`);
  }
  if (about.headless > 0) texts.push(`Instances whose attributes cannot be read: ${about.headless}`);
  for (const text of texts) response.append('Warning', `299 ${service}: "${text}"`);
}

interface Answering {
  readonly wanted: Wanted;
  readonly base: string;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly answer: JsonDataSet;
  /** Without what only the instance itself says. */
  readonly isHeadless: boolean;
}

async function answersOf(
  found: readonly Found[],
  { wanted, base, signal }: Answering,
  ports: QidoPorts,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let n = 0; n < found.length; n += MAX_OPEN) {
    signal.throwIfAborted();
    const some = found.slice(n, n + MAX_OPEN).map(async (one) => {
      const header = await headerOf(one, ports);
      return {
        answer: answerOf(one, wanted, base, header),
        isHeadless: wanted.level === 'instance' && header === undefined,
      };
    });
    answers.push(...(await Promise.all(some)));
  }
  return answers;
}

/** One instance that cannot be read, or was removed a moment ago, is no reason to tell nothing of the others. */
async function headerOf({ instance }: Found, { store, log }: QidoPorts): Promise<DataSet | undefined> {
  if (instance === undefined) return undefined;
  try {
    const source = await store.open(instance.blob);
    try {
      return (await readHeader(source)).dataSet;
    } finally {
      await source.close();
    }
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const { sopInstanceUid } = instance;
    log.warn('instance found, but its header cannot be read', { sopInstanceUid, code: error.code });
    return undefined;
  }
}
