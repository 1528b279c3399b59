/** QIDO-RS (PS3.18 Section 10.6): searches for studies, series and instances. Who may ask is decided before it. */
import express, { type Request, type Response, type Router } from 'express';
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
      await serve(request, response, resource, ports);
    });
  }
  return router;
}

async function serve(
  request: Request<Record<string, string>>,
  response: Response,
  { level }: Resource,
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
  const { found, more } = await ports.search.find(search);
  const base = rootUrl(request);
  warn(response, base, { more, wantsFuzzy: query.wantsFuzzy, missing: unanswerable(wanted) });
  // Patient data: for the one who asked, never for a cache.
  response.setHeader('Cache-Control', 'private, no-store');
  const answers = found.length === 0 ? [] : await answersOf(found, wanted, base, ports);
  if (answers.length === 0) {
    // PS3.18 Table 10.6.3-1: no matches.
    response.status(204).end();
  } else {
    // Without a charset: the model is UTF-8 always (PS3.18 Section F.2), and clients compare the type letter by letter.
    response.status(200).setHeader('Content-Type', type);
    response.end(JSON.stringify(answers));
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
  about: { readonly more: number; readonly wantsFuzzy: boolean; readonly missing: readonly string[] },
): void {
  const texts: string[] = [];
  if (about.wantsFuzzy) {
    texts.push('The fuzzymatching parameter is not supported. Only literal matching has been performed.');
  }
  if (about.more > 0) {
    const count = about.more >= MORE_COUNTED ? `${MORE_COUNTED} or more` : String(about.more);
    texts.push(`There are ${count} additional results that can be requested`);
  }
  if (about.missing.length > 0) texts.push(`Not known here: ${about.missing.join(', ')}`);
  for (const text of texts) response.append('Warning', `299 ${service}: "${text}"`);
}

async function answersOf(found: readonly Found[], wanted: Wanted, base: string, ports: QidoPorts) {
  if (wanted.level !== 'instance') return found.map((one) => answerOf(one, wanted, base));
  const answers: ReturnType<typeof answerOf>[] = [];
  for (let n = 0; n < found.length; n += MAX_OPEN) {
    answers.push(
      ...(await Promise.all(
        found.slice(n, n + MAX_OPEN).map(async (one) => answerOf(one, wanted, base, await headerOf(one, ports))),
      )),
    );
  }
  return answers;
}

async function headerOf({ instance }: Found, { store }: QidoPorts) {
  if (instance === undefined) return undefined;
  const source = await store.open(instance.blob);
  try {
    return (await readHeader(source)).dataSet;
  } finally {
    await source.close();
  }
}
