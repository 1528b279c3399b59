/** Tries the way to a DICOM peer as the hub would go it: name, port, TLS, association, C-ECHO. */
import { type Diagnosis, fine, warning, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import { IMPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import type { ProposedContext } from '../../peers/dimse/negotiation.ts';
import { type Association, openAssociation } from '../c-store/association.ts';
import { VERIFICATION_SOP_CLASS } from '../c-store/command.ts';
import { probeReach, type Reached, type Target } from './reach.ts';
import { abortSentence, rejectionOf, type Words } from './refusal-sentences.ts';
import { speaksHttp, speaksTls } from './speaks.ts';
import { isCertificateAlert, probeTls } from './tls.ts';

export const VERIFICATION: ProposedContext = {
  sopClassUid: VERIFICATION_SOP_CLASS,
  transferSyntaxUid: IMPLICIT_VR_LITTLE_ENDIAN,
};

/** Who was met, and over what: the association is the caller's to release. */
export interface Met {
  readonly association: Association;
  readonly peer: Peer;
  readonly reached: Reached;
}

/**
 * @param peerOf - throws `config.invalid` when a secret cannot be had
 * @returns undefined when there is no association: what was said before says why
 */
export async function* probePeer(
  peerOf: () => Peer,
  contexts: readonly ProposedContext[],
  words: Words,
  signal: AbortSignal,
): AsyncGenerator<Diagnosis, Met | undefined> {
  const peer = readPeer(peerOf, words);
  if (!('host' in peer)) {
    yield peer;
    return undefined;
  }
  const target: Target = { host: peer.host, port: peer.port, timeoutMs: peer.timeouts.connectMs, signal };
  const reached = yield* probeReach(target);
  if (reached === undefined) return undefined;
  if (peer.tls !== undefined && !(yield* probePeerTls(peer, target, words))) return undefined;

  const association = await openAssociation(peer, contexts, signal).catch((error: unknown) =>
    refusedAssociation(error, peer, target, reached, words),
  );
  if ('verdict' in association) {
    yield association;
    return undefined;
  }
  yield fine('association', `${peer.calledAeTitle} accepts associations of ${peer.callingAeTitle}`);
  return { association, peer, reached };
}

function readPeer(peerOf: () => Peer, { entry }: Words): Peer | Diagnosis {
  try {
    return peerOf();
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'config.invalid') throw error;
    return wrong(
      'secret',
      'A certificate or key of ours cannot be read',
      `${String(error.fields['detail'])}.`,
      `Make the file readable for the hub's user, or correct ca, certificate or key under tls of ${entry}.`,
    );
  }
}

function probePeerTls(peer: Peer, target: Target, { who, entry }: Words): AsyncGenerator<Diagnosis, boolean> {
  const { ca, cert, key, servername } = peer.tls ?? {};
  const trust = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    serverName: servername ?? peer.host,
    caSetting: `tls.ca of ${entry}`,
    nameSetting: 'tls.serverName',
  };
  return probeTls(target, trust, async () => {
    if (!(await speaksPlainDicom(peer, target.signal))) return undefined;
    return wrong(
      'tls.handshake',
      `No TLS on port ${peer.port} of ${peer.host}`,
      'The port speaks DICOM, but without TLS; the configuration asks for TLS.',
      `Switch TLS on at the ${who}, or name the port where it has TLS (often 2762); only within a network you trust, take tls out of the entry of ${entry}.`,
    );
  });
}

/** Any answer to an association request will do, a no included. */
async function speaksPlainDicom({ tls: _tls, ...peer }: Peer, signal: AbortSignal): Promise<boolean> {
  try {
    await (await openAssociation(peer, [VERIFICATION], signal)).release();
    return true;
  } catch (error) {
    return error instanceof HubError && (error.fields['rejection'] ?? error.fields['abort']) !== undefined;
  }
}

/** Why there is no association. @throws what is no failure of the peer */
async function refusedAssociation(
  error: unknown,
  peer: Peer,
  target: Target,
  reached: Reached,
  words: Words,
): Promise<Diagnosis> {
  const { who, entry } = words;
  if (!(error instanceof HubError)) throw error;
  const { rejection, abort, reason } = error.fields;
  const what = `No association with ${peer.calledAeTitle}`;
  if (typeof rejection === 'string') return rejectionOf(rejection, what, peer, reached, words);
  if (typeof abort === 'string') {
    return wrong('association', what, ...abortSentence(abort, words));
  }
  if (error.code === 'partner.timeout') {
    return wrong(
      'association',
      what,
      `It took the connection, but did not answer the association request within ${peer.timeouts.associationMs / 1000} s.`,
      'The service there hangs, or something in between (a proxy, a port forwarding) takes connections in its place: restart the service, check the port.',
    );
  }
  if (typeof reason === 'string' && isCertificateAlert(reason)) {
    return wrong(
      'association',
      what,
      `The ${who} refuses our certificate, or wants one and got none (${reason}).`,
      `Name certificate and key under tls of ${entry}, and have the ${who} trust their authority.`,
    );
  }
  if (peer.tls === undefined && (await speaksTls(target))) {
    return wrong(
      'association',
      what,
      'The port speaks TLS, and the configuration does not.',
      `Write tls: {} into the entry of ${entry} (and tls.ca with the authority of its certificate), or name its port without TLS.`,
    );
  }
  if (peer.tls === undefined && (await speaksHttp(target))) {
    return wrong(
      'association',
      what,
      `A web server (HTTP) is on port ${peer.port}, not a DICOM service.`,
      `Name the DICOM port of the ${who} (often 104, 11112 or 4242), or use ${who === 'source' ? 'from.dicomweb' : 'the type stow-rs'} for its DICOMweb service.`,
    );
  }
  if (error.code === 'partner.unreachable') {
    return wrong(
      'association',
      what,
      `It took the connection from ${reached.localAddress} and hung up without an answer: it only talks to hosts it knows, or another service is on the port.`,
      `At the ${who}, add the address ${reached.localAddress} to the hosts that may connect; and check that port ${peer.port} is its DICOM port.`,
    );
  }
  return wrong(
    'association',
    what,
    'What answers on the port does not speak DICOM.',
    `Check that port ${peer.port} is the DICOM port of the ${who}.`,
  );
}

export async function echo(
  association: Pick<Association, 'contextIdOf' | 'echo'>,
  { who }: Words,
  signal: AbortSignal,
): Promise<Diagnosis> {
  const contextId = association.contextIdOf(VERIFICATION);
  if (contextId === undefined) {
    return warning(
      'echo',
      'C-ECHO is not supported there',
      `The ${who} refuses the Verification SOP class, which every provider must have (PS3.4 Annex A).`,
      'Nothing here needs it. Ask its administrator to switch it on: others test with it.',
    );
  }
  const status = await association.echo(contextId).catch((error: unknown) => {
    if (!(error instanceof HubError) || signal.aborted) throw error;
    return String(error.fields['detail']);
  });
  if (status === 0) return fine('echo', 'C-ECHO is answered');
  return wrong(
    'echo',
    'C-ECHO fails',
    typeof status === 'string' ? `It accepted the association, then: ${status}.` : `Status ${hex(status)}.`,
    `Look at the log of the ${who}.`,
  );
}

/** A status as the tables of the standard write it. */
export const hex = (status: number): string => `0x${status.toString(16).toUpperCase().padStart(4, '0')}`;
