/**
 * Whether a destination's TLS will do: the handshake, who signed the certificate, for whom it is, and until when.
 * The probe looks at certificates that it would never trust with data, so it verifies by hand and sends nothing.
 */
import { isIP } from 'node:net';
import { checkServerIdentity, connect, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { type Diagnosis, fine, warning, wrong } from '../../core/diagnosis.ts';
import { failureCode, open, type Target, TIMEOUT } from './reach.ts';

/** What a destination's TLS settings amount to. */
export interface TlsTrust extends Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> {
  /** The name its certificate must have. */
  readonly serverName: string;
  /** Where an administrator names further authorities. */
  readonly caSetting: string;
  /** Where an administrator names another server name; absent where it cannot be set. */
  readonly nameSetting?: string;
}

export interface Handshake {
  readonly protocol: string;
  readonly certificate: PeerCertificate;
  /** OpenSSL's name of what is wrong with the chain. */
  readonly chainError: string | undefined;
}

const WARN_DAYS = 30;
const DAY_MS = 86_400_000;

/** @throws {Error} with a `code` */
export async function shakeHands(target: Target, trust: Omit<TlsTrust, 'caSetting'>): Promise<Handshake> {
  const plain = await open(target);
  const { ca, cert, key, serverName } = trust;
  const socket = connect({
    socket: plain,
    // An unfit certificate is what is looked for; nothing is sent over this connection.
    rejectUnauthorized: false,
    // RFC 6066 Section 3: no address as a server name.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
  const late = setTimeout(() => socket.destroy(Object.assign(new Error('late'), { code: TIMEOUT })), target.timeoutMs);
  try {
    await new Promise<void>((done, failed) => {
      socket.once('secureConnect', done);
      socket.once('error', failed);
      socket.once('close', () => failed(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    });
    socket.on('error', () => undefined);
    const chainError = socket.authorized ? undefined : chainCode(socket.authorizationError);
    return { protocol: socket.getProtocol() ?? '', certificate: socket.getPeerCertificate(), chainError };
  } finally {
    clearTimeout(late);
    socket.destroy();
    plain.destroy();
  }
}

/**
 * @param whatElse - asked when there is no handshake: what the port speaks instead, as a diagnosis
 * @returns whether the hub would go on over this connection
 */
export async function* probeTls(
  target: Target,
  trust: TlsTrust,
  whatElse: () => Promise<Diagnosis | undefined>,
): AsyncGenerator<Diagnosis, boolean> {
  const hands = await shakeHands(target, trust).catch((error: unknown) => failureCode(error));
  if (typeof hands === 'string') {
    yield (await whatElse()) ?? noHandshake(target, hands);
    return false;
  }
  yield fine('tls.handshake', `TLS works: ${hands.protocol}`);
  const found = certificateDiagnoses(hands, trust, new Date());
  yield* found;
  return found.every(({ verdict }) => verdict !== 'wrong');
}

/** Chain, name and time of a certificate. Pure. */
function certificateDiagnoses(
  { certificate, chainError }: Pick<Handshake, 'certificate' | 'chainError'>,
  trust: TlsTrust,
  now: Date,
): readonly Diagnosis[] {
  return [chain(chainError, certificate, trust, now), name(certificate, trust), expiry(certificate, now)];
}

function chain(error: string | undefined, certificate: PeerCertificate, { caSetting }: TlsTrust, now: Date): Diagnosis {
  const isOutOfDate = isOver(certificate, now) || isBefore(certificate, now);
  // The leaf's own dates have a line of their own.
  if (error === undefined || (isOutOfDate && /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(error)))
    return fine('tls.chain', 'The certificate is signed by an authority this hub trusts');
  const what = 'The certificate is not signed by anybody this hub trusts';
  switch (error) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return wrong(
        'tls.chain',
        what,
        'It is self-signed: anybody could have made it.',
        `Get the certificate itself from the destination's administrator, not over this connection, compare its SHA-256 fingerprint, and name the file in ${caSetting}.`,
      );
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return wrong(
        'tls.chain',
        what,
        `Its authority (${oneLine(issuerOf(certificate))}) is not among those this hub knows: a hospital's own, perhaps.`,
        `Ask the destination's administrator for the authority's certificate and name the file in ${caSetting}.`,
      );
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return wrong(
        'tls.chain',
        what,
        `The server does not send the certificate of its authority (${oneLine(issuerOf(certificate))}), and this hub does not have it.`,
        `The server must send its whole chain, intermediate certificates included; or name the authority in ${caSetting}.`,
      );
    case 'CERT_HAS_EXPIRED':
      return wrong(
        'tls.chain',
        'A certificate of the chain has expired',
        'Not the server certificate itself: one of the authorities above it.',
        "The destination's administrator must install the authority's new certificate.",
      );
    default:
      return wrong(
        'tls.chain',
        what,
        `OpenSSL calls it ${error}.`,
        `Show that word to the destination's administrator.`,
      );
  }
}

function name(certificate: PeerCertificate, { serverName, nameSetting }: TlsTrust): Diagnosis {
  if (checkServerIdentity(serverName, certificate) === undefined)
    return fine('tls.name', `The certificate is for ${serverName}`);
  const names = oneLine(certificate.subjectaltname ?? commonNameOf(certificate));
  return wrong(
    'tls.name',
    `The certificate is not for ${serverName}`,
    `It is for ${names === '' ? 'nobody by name' : names}.`,
    nameSetting === undefined
      ? 'Write one of these names in the configuration in place of the one that is there, or have the certificate made anew.'
      : `Write one of these names as host or as ${nameSetting}, or have the certificate made anew.`,
  );
}

function expiry(certificate: PeerCertificate, now: Date): Diagnosis {
  const until = new Date(certificate.valid_to);
  const day = until.toISOString().slice(0, 10);
  const renew = "The destination's administrator must renew the certificate.";
  if (isBefore(certificate, now)) {
    const from = new Date(certificate.valid_from).toISOString();
    return wrong(
      'tls.expiry',
      `The certificate is valid only from ${from}`,
      `The clock of this machine says ${now.toISOString()}.`,
      'If that is wrong, set the clock of this machine; else wait, or have the certificate made anew.',
    );
  }
  if (isOver(certificate, now))
    return wrong('tls.expiry', `The certificate expired on ${day}`, 'Nobody may trust it any longer.', renew);
  const days = Math.floor((until.getTime() - now.getTime()) / DAY_MS);
  if (days >= WARN_DAYS) return fine('tls.expiry', `The certificate is valid until ${day}`);
  return warning('tls.expiry', `The certificate expires on ${day}`, `That is in ${days} days.`, renew);
}

function noHandshake({ host, port, timeoutMs }: Target, code: string): Diagnosis {
  const what = `No TLS on port ${port} of ${host}`;
  if (code === TIMEOUT) {
    return wrong(
      'tls.handshake',
      what,
      `It took the connection, but said nothing for ${timeoutMs / 1000} s.`,
      'Check that this port is the one with TLS, and that the service is not stuck.',
    );
  }
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(code)) {
    return wrong(
      'tls.handshake',
      what,
      'It only speaks versions of TLS older than 1.2, which are broken.',
      'Switch TLS 1.2 or 1.3 on at the destination.',
    );
  }
  if (isCertificateAlert(code)) {
    return wrong(
      'tls.handshake',
      what,
      `It refuses our certificate, or wants one and got none (${code}).`,
      'Give the hub a certificate that the destination trusts: certificate and key under tls of this destination.',
    );
  }
  return wrong(
    'tls.handshake',
    what,
    `The handshake failed with ${code}: most likely the port does not speak TLS.`,
    'Check the port; if the destination has no TLS, the configuration must not ask for it.',
  );
}

/** An alert of the other side about our certificate; in TLS 1.3 it comes after the handshake. */
export function isCertificateAlert(code: string): boolean {
  return /ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|NO_CERTIFICATE)|CERTIFICATE_REQUIRED/.test(
    code,
  );
}

function chainCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  // The name has a line of its own.
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? undefined : code;
}

function isOver({ valid_to: validTo }: PeerCertificate, now: Date): boolean {
  return new Date(validTo) < now;
}

function isBefore({ valid_from: validFrom }: PeerCertificate, now: Date): boolean {
  return new Date(validFrom) > now;
}

// Types say these are always there; a certificate may lack any of them.
const issuerOf = (certificate: Partial<PeerCertificate>): string =>
  String(certificate.issuer?.CN ?? certificate.issuer?.O ?? 'without a name');
const commonNameOf = (certificate: Partial<PeerCertificate>): string => String(certificate.subject?.CN ?? '');

/** What a stranger wrote into a certificate goes to a terminal. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
