/** The way to an origin server: its URL, our credentials, QIDO-RS, and one instance by WADO-RS, read and thrown away. */
import { type Diagnosis, fine, skipped, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { TlsIdentity } from '../../peers/tls-identity.ts';
import { probeWay, targetOf } from '../probe/web.ts';
import type { PullFrom, PullOptions } from './options.ts';
import type { AskSource, PullProbe } from './probe-parts.ts';
import { askByQido } from './search.ts';
import { firstBytes } from './wado.ts';

type OriginFrom = Extract<PullFrom, { readonly kind: 'dicomweb' }>;

const CONNECT_MS = 10_000;
/** PS3.10 Section 7.1: preamble and prefix. */
const PREFIX_AT = 128;
const HEAD_BYTES = 132;

export async function* probeOrigin(
  options: PullOptions,
  { origin }: OriginFrom,
  ask: AskSource,
  { signal }: PullProbe,
): AsyncGenerator<Diagnosis> {
  let own: TlsIdentity | undefined;
  try {
    own = origin.tls?.();
    origin.authorization?.();
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'config.invalid') throw error;
    yield wrong(
      'secret',
      'Our credentials cannot be read',
      `${String(error.fields['detail'])}.`,
      "Set the variable or make the file readable in the hub's own environment, which need not be this terminal's.",
    );
    return;
  }
  const url = new URL(origin.url);
  const trust = { ...own, caSetting: 'from.dicomweb.tls.ca of this pull' };
  if ((yield* probeWay(url, targetOf(url, { timeoutMs: CONNECT_MS, signal }), trust)) === undefined) return;
  const source = askByQido(origin, options);
  const study = yield* ask(source, 'QIDO-RS');
  if (study === undefined) {
    yield skipped('retrieve', 'WADO-RS was not tried', 'There is no study to try it with: see above.');
    return;
  }
  yield await readOne(options, origin, study, source, signal);
}

async function readOne(
  { timeouts }: PullOptions,
  origin: OriginFrom['origin'],
  study: StudyInstanceUid,
  source: ReturnType<typeof askByQido>,
  outer: AbortSignal,
): Promise<Diagnosis> {
  const signal = AbortSignal.any([outer, AbortSignal.timeout(timeouts.answerMs)]);
  try {
    const [series] = (await source.series(study, signal)).filter(({ instances }) => instances > 0);
    const [instance] = series === undefined ? [] : await source.instances(study, series.seriesInstanceUid, signal);
    if (series === undefined || instance === undefined)
      return skipped('retrieve', 'WADO-RS was not tried', 'The source names no instance to try it with.');
    const path = `/studies/${study}/series/${series.seriesInstanceUid}/instances/${instance}`;
    const head = await firstBytes(origin, path, HEAD_BYTES, signal);
    if (head.subarray(PREFIX_AT).toString('latin1') === 'DICM')
      return fine('retrieve', 'An instance can be retrieved (WADO-RS; read and thrown away)');
    return wrong(
      'retrieve',
      'What is retrieved is no DICOM file',
      'The answer says it is one, and does not begin like one (PS3.10 Section 7.1).',
      'Look at what stands between: a proxy, or a login page, answers in place of the source.',
    );
  } catch (error) {
    if (!(error instanceof HubError) || outer.aborted) throw error;
    return notRetrieved(error);
  }
}

function notRetrieved(error: HubError): Diagnosis {
  const { status, detail } = error.fields;
  const what = `An instance cannot be retrieved (WADO-RS${typeof status === 'number' ? ` ${String(status)}` : ''})`;
  if (status === 401 || status === 403) {
    return wrong('retrieve', what, 'Our account may search, and not retrieve.', 'Have the source allow it.');
  }
  if (status === 406) {
    return wrong(
      'retrieve',
      what,
      'The source has none of the forms that the hub takes: whole DICOM files, one after the other.',
      'Switch WADO-RS of application/dicom on at the source.',
    );
  }
  return wrong(
    'retrieve',
    what,
    `${error.row.title}${typeof detail === 'string' ? `: ${detail}` : ''}.`,
    'Look at the log of the source for the same minute.',
  );
}
