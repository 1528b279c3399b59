/** Tries the way to a DICOMweb origin server: name, port, TLS, a query that matches nothing, a test instance there and back. */
import { type Diagnosis, fine, skipped, warning, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { ProbeContext } from '../../core/plugins.ts';
import type { Answer } from '../exchange.ts';
import { clockOf, noAnswer, placeOf, probeWay, refusedStatus, targetOf } from '../probe/web.ts';
import { makeTestObject, type TestObject } from '../probe/test-object.ts';
import type { Target } from '../probe/reach.ts';
import type { Service, ServiceRequest } from './service.ts';
import { parseStoreResponse } from './store-response.ts';

const BOUNDARY = 'hub-doctor';
const DICOM = 'application/dicom';

/** @param open - throws `config.invalid` when a secret cannot be had */
export async function* probeStowRs(open: () => Service, context: ProbeContext): AsyncGenerator<Diagnosis> {
  const service = openOrWhy(open);
  if ('verdict' in service) {
    yield service;
    return;
  }
  const { signal } = context;
  const url = new URL(`${service.url}/studies`);
  const target = targetOf(url, { timeoutMs: service.connectTimeoutMs, signal });
  const ask: Ask = (request) => service.ask({ ...request, signal });
  const own = service.tls === undefined ? undefined : { ...service.tls, caSetting: 'tls.ca of this destination' };
  if ((yield* probeWay(url, target, own)) === undefined) return;
  if (service.authorize !== undefined) {
    const token = await askForToken(service.authorize, signal);
    yield token;
    if (token.verdict === 'wrong') return;
  }
  if (!(yield* query(service, url, target, ask))) return;
  if (!context.sendTest) {
    yield skipped(
      'test-object',
      'A test instance was not sent',
      'Only with --send-test: the destination would keep it.',
    );
    return;
  }
  const object = makeTestObject(context.hubName, new Date());
  const isStored = yield* store(object, url, target, ask);
  if (isStored) yield* readBack(object, url, target, ask);
}

type Ask = (request: Omit<ServiceRequest, 'signal'>) => Promise<Answer>;

function openOrWhy(open: () => Service): Service | Diagnosis {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'config.invalid') throw error;
    return wrong(
      'secret',
      'Our credentials cannot be read',
      `${String(error.fields['detail'])}.`,
      "Set the variable or make the file readable in the hub's own environment, which need not be this terminal's.",
    );
  }
}

async function askForToken(authorize: NonNullable<Service['authorize']>, signal: AbortSignal): Promise<Diagnosis> {
  try {
    await authorize(signal);
    return fine('token', 'The token server gives us a token');
  } catch (error) {
    if (!(error instanceof HubError) || signal.aborted) throw error;
    return wrong(
      'token',
      'There is no token for us',
      `${String(error.fields['detail'])}.`,
      'Compare tokenUrl, clientId, clientSecret and scope under auth of this destination with what the partner gave you; tls.ca must name the authority of the token server too.',
    );
  }
}

/** QIDO-RS for a study that nobody has: shows path, credentials and answer, and no patient (PS3.18 Section 10.6). */
async function* query(service: Service, url: URL, target: Target, ask: Ask): AsyncGenerator<Diagnosis, boolean> {
  const asked = new URL(url);
  const { studyInstanceUid } = makeTestObject('', new Date());
  asked.searchParams.set('StudyInstanceUID', studyInstanceUid);
  asked.searchParams.set('limit', '1');
  const answer = await ask({ url: asked, headers: { Accept: 'application/dicom+json' } }).catch((error: unknown) =>
    noAnswer('qido', error, url, target),
  );
  if ('verdict' in answer) {
    yield answer;
    return false;
  }
  yield* clockOf(answer, new Date());
  if (answer.status === 405 || answer.status === 501) {
    yield warning(
      'qido',
      `${placeOf(url)} takes no queries (${answer.status})`,
      'It may take studies all the same: whether it does only a test instance shows.',
      'Run this again with --send-test.',
    );
    return true;
  }
  const refused = refusedStatus('qido', answer, url, {
    credentials: service.hasCredentials
      ? 'Have the token or password renewed by the destination, and put it where auth of this destination points to.'
      : 'Ask the destination for a token or a password, and configure auth of this destination.',
    path: 'Correct the path in url of this destination: the base of its DICOMweb service, to which /studies is added. Usual are /dicom-web (Orthanc) and /dcm4chee-arc/aets/DCM4CHEE/rs.',
  });
  if (refused !== undefined) {
    yield refused;
    return false;
  }
  if (answer.status !== 204 && !isJson(answer)) {
    yield wrong(
      'qido',
      `${placeOf(url)} does not answer as DICOMweb`,
      `It answers ${answer.status} with something else than DICOM JSON: a login page, or another web service.`,
      'Correct url of this destination: the base of its DICOMweb service, to which /studies is added.',
    );
    return false;
  }
  yield fine('qido', `DICOMweb answers at ${placeOf(url)} (QIDO-RS ${answer.status})`);
  return true;
}

function isJson({ headers, body }: Answer): boolean {
  if (headers['content-type']?.includes('json') !== true) return false;
  try {
    return Array.isArray(JSON.parse(body.toString('utf8')));
  } catch {
    // Says it is JSON and is not.
    return false;
  }
}

async function* store(object: TestObject, url: URL, target: Target, ask: Ask): AsyncGenerator<Diagnosis, boolean> {
  const body = Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Type: ${DICOM}\r\n\r\n`),
    object.bytes,
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]);
  const answer = await ask({
    url,
    headers: {
      'Content-Type': `multipart/related; type="${DICOM}"; boundary=${BOUNDARY}`,
      Accept: 'application/dicom+json',
    },
    body: () => ({ sizeBytes: body.byteLength, chunks: [body] }),
  }).catch((error: unknown) => noAnswer('test-object', error, url, target));
  if ('verdict' in answer) {
    yield answer;
    return false;
  }
  const reason = parseStoreResponse(answer.body)?.failed.get(object.sopInstanceUid);
  if ([200, 202].includes(answer.status) && reason === undefined) {
    yield fine(
      'test-object',
      `The test instance is stored (STOW-RS ${answer.status}). Delete it there: patient ID ${object.patientId}, study ${object.studyInstanceUid}`,
    );
    return true;
  }
  yield (
    refusedStatus('test-object', answer, url, {
      credentials: 'Our account may query, but not store: ask the administrator of the destination.',
      path: 'It answers queries at this path, but takes nothing there: ask for the path of its STOW-RS service.',
    }) ??
    wrong(
      'test-object',
      `The test instance is not stored (STOW-RS ${answer.status})`,
      `Failure Reason ${(reason ?? 0).toString(16).toUpperCase().padStart(4, '0')}H (PS3.18 Section 10.5.3).`,
      'Look at the log of the destination for the same minute.',
    )
  );
  return false;
}

/** WADO-RS of what was just stored (PS3.18 Section 10.4): that it says 200 is not yet that it kept it. */
async function* readBack(object: TestObject, url: URL, target: Target, ask: Ask): AsyncGenerator<Diagnosis> {
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = object;
  const place = new URL(
    `${url.toString()}/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`,
  );
  const answer = await ask({
    url: place,
    headers: { Accept: `multipart/related; type="${DICOM}"` },
  }).catch((error: unknown) => noAnswer('test-object.read-back', error, url, target));
  if ('verdict' in answer) yield answer;
  else if (answer.status === 200 && answer.body.includes(Buffer.from(object.pixels))) {
    yield fine('test-object.read-back', 'The test instance comes back as it was sent (WADO-RS)');
  } else {
    yield warning(
      'test-object.read-back',
      `The test instance cannot be read back (WADO-RS ${answer.status})`,
      answer.status === 200
        ? 'What comes back has other pixels than what was sent.'
        : 'Perhaps our account may store and not read, or the destination takes its time.',
      'Look for the test patient at the destination by hand.',
    );
  }
}
