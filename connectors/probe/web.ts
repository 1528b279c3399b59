/** What a web service answers to a probe, in words: its status, its clock, and what stands in the way of an answer. */
import { type Diagnosis, fine, warning, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { Answer } from '../exchange.ts';
import { open, type Reached, type Target, probeReach } from './reach.ts';
import { speaksHttp, speaksTls } from './speaks.ts';
import { isCertificateAlert, probeTls } from './tls.ts';

const WARN_SKEW_MS = 60_000;
/** Standard Webhooks: receivers refuse a timestamp that is five minutes off. */
const MAX_SKEW_MS = 300_000;

export function targetOf(url: URL, rest: Omit<Target, 'host' | 'port'>): Target {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, ...rest };
}

/** PEM texts of a destination, and which of its keys names the authorities. */
export interface OwnTls {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  readonly caSetting: string;
}

/** Name, port and TLS of a URL. @returns undefined when no request should be tried */
export async function* probeWay(
  url: URL,
  target: Target,
  own?: OwnTls,
): AsyncGenerator<Diagnosis, Reached | undefined> {
  const reached = yield* probeReach(target);
  if (reached === undefined || url.protocol !== 'https:') return reached;
  const trust = {
    serverName: target.host,
    caSetting: own?.caSetting ?? "a PEM file that the variable NODE_EXTRA_CA_CERTS names in the hub's environment",
    ...(own?.ca === undefined ? {} : { ca: own.ca }),
    ...(own?.certificate === undefined ? {} : { cert: own.certificate }),
    ...(own?.key === undefined ? {} : { key: own.key }),
  };
  const isGood = yield* probeTls(target, trust, async () =>
    (await speaksHttp(target))
      ? wrong(
          'tls.handshake',
          `No TLS on port ${target.port} of ${target.host}`,
          'The port speaks HTTP, but without TLS; the URL says https.',
          'Name the port where the service has TLS; only within a network you trust, write http:// in the URL.',
        )
      : undefined,
  );
  return isGood ? reached : undefined;
}

/** Why there was no answer. @throws what is no failure of the peer */
export async function noAnswer(id: string, error: unknown, url: URL, target: Target): Promise<Diagnosis> {
  if (!(error instanceof HubError)) throw error;
  const { reason } = error.fields;
  const what = `No answer from ${placeOf(url)}`;
  if (error.code === 'partner.timeout') {
    return wrong(
      id,
      what,
      'It took the request and said nothing in time.',
      'The service there hangs or is overloaded: look at its log, restart it.',
    );
  }
  if (typeof reason === 'string' && isCertificateAlert(reason)) {
    return wrong(
      id,
      what,
      `It wants a certificate of ours (${reason}).`,
      'Of a stow-rs destination, name certificate and key under tls; a webhook has none to show: ask for a port without client certificates.',
    );
  }
  if (url.protocol === 'http:' && (await speaksTls(target))) {
    return wrong(id, what, 'The port speaks TLS, and the URL says http.', 'Write https:// in the URL.');
  }
  const stillThere = await open(target).then(
    (socket) => {
      socket.destroy();
      return true;
    },
    () => false,
  );
  return wrong(
    id,
    what,
    stillThere
      ? `It took the connection, but its answer is not HTTP (${String(reason ?? error.fields['detail'])}).`
      : 'It went away while it was tried.',
    'Check the port: another service (DICOM, for one) may be on it.',
  );
}

/** What a status that is not a success means; undefined for a success. */
export function refusedStatus(
  id: string,
  answer: Answer,
  url: URL,
  hints: { readonly credentials: string; readonly path: string },
): Diagnosis | undefined {
  const { status } = answer;
  if (status >= 200 && status < 300) return undefined;
  const what = `${placeOf(url)} answers ${status}`;
  if (status >= 300 && status < 400) {
    const location = redirectOf(answer, url);
    return wrong(
      id,
      what,
      `It redirects${location === undefined ? '' : ` to ${location}`}, and the hub follows no redirects: who they lead to would get the study.`,
      'Write the final URL in the configuration, if it is the right one.',
    );
  }
  switch (status) {
    case 401:
      return wrong(
        id,
        what,
        'The destination wants credentials, and ours are missing or not valid.',
        hints.credentials,
      );
    case 403:
      return wrong(
        id,
        what,
        'The destination knows who we are, and does not allow this; or a proxy before it keeps us out.',
        'Ask its administrator to allow our account to store and to query studies.',
      );
    case 404:
    case 410:
      return wrong(id, what, 'There is nothing at this path.', hints.path);
    case 407:
      return wrong(id, what, 'A proxy in between wants credentials.', 'Let this machine through without the proxy.');
    default:
      return status >= 500
        ? wrong(id, what, 'The service there is ill.', 'Look at its log; restart it.')
        : wrong(id, what, 'The service there does not take the request.', 'Look at its log.');
  }
}

/** Its clock against ours, from the Date header; nothing without one. */
export function* clockOf({ headers }: Answer, now: Date): Generator<Diagnosis> {
  const theirs = Date.parse(headers.date ?? '');
  if (Number.isNaN(theirs)) return;
  const skewMs = theirs - now.getTime();
  const off = Math.abs(skewMs);
  if (off < WARN_SKEW_MS) {
    yield fine('clock', 'Its clock and ours agree');
    return;
  }
  const what = `Its clock is ${Math.round(off / 1000)} s ${skewMs > 0 ? 'ahead of' : 'behind'} ours`;
  const remedy =
    'Set the clock that is wrong, and let both machines take the time from an NTP server: "timedatectl" shows whether this one does.';
  yield off < MAX_SKEW_MS
    ? warning('clock', what, 'Times in logs will not match.', remedy)
    : wrong('clock', what, 'Signatures, tokens and certificates are refused when the time is so far off.', remedy);
}

/** Scheme, host and path: a query may hold what is nobody's business. */
export function placeOf(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function redirectOf({ headers: { location } }: Answer, url: URL): string | undefined {
  return location !== undefined && URL.canParse(location, url.href) ? placeOf(new URL(location, url)) : undefined;
}
