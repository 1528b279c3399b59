/** Tries the way to a C-STORE provider as a delivery would go it: name, port, TLS, association, C-ECHO, a test instance. */
import { bytesAsSource } from '../../core/bytes-as-source.ts';
import { type Diagnosis, fine, skipped, warning, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { ProbeContext } from '../../core/plugins.ts';
import { probeReach, type Reached, type Target } from '../probe/reach.ts';
import { speaksHttp, speaksTls } from '../probe/speaks.ts';
import { makeTestObject } from '../probe/test-object.ts';
import { isCertificateAlert, probeTls } from '../probe/tls.ts';
import { type Association, openAssociation } from './association.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { contextDiagnoses, PROBED_CONTEXTS, VERIFICATION } from './probe-contexts.ts';
import { abortSentence, rejectionOf } from './refusal-sentences.ts';
import { sendInstances } from './send.ts';

/** @param peerOf - throws `config.invalid` when a secret cannot be had */
export async function* probeCStore(peerOf: () => Peer, context: ProbeContext): AsyncGenerator<Diagnosis> {
  const peer = readPeer(peerOf);
  if (!('host' in peer)) {
    yield peer;
    return;
  }
  const { signal } = context;
  const target: Target = { host: peer.host, port: peer.port, timeoutMs: peer.timeouts.connectMs, signal };
  const reached = yield* probeReach(target);
  if (reached === undefined) return;
  if (peer.tls !== undefined && !(yield* probePeerTls(peer, target))) return;

  const association = await openAssociation(peer, PROBED_CONTEXTS, signal).catch((error: unknown) =>
    refusedAssociation(error, peer, target, reached),
  );
  if ('verdict' in association) {
    yield association;
    return;
  }
  yield fine('association', `${peer.calledAeTitle} accepts associations of ${peer.callingAeTitle}`);
  yield* contextDiagnoses(association);
  yield await echo(association, signal);
  await association.release();
  yield context.sendTest
    ? await sendTestObject(peer, context)
    : skipped('test-object', 'A test instance was not sent', 'Only with --send-test: the destination would keep it.');
}

function readPeer(peerOf: () => Peer): Peer | Diagnosis {
  try {
    return peerOf();
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'config.invalid') throw error;
    return wrong(
      'secret',
      'A certificate or key of ours cannot be read',
      `${String(error.fields['detail'])}.`,
      "Make the file readable for the hub's user, or correct ca, certificate or key under tls of this destination.",
    );
  }
}

function probePeerTls(peer: Peer, target: Target): AsyncGenerator<Diagnosis, boolean> {
  const { ca, cert, key, servername } = peer.tls ?? {};
  const trust = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    serverName: servername ?? peer.host,
    caSetting: 'tls.ca of this destination',
    nameSetting: 'tls.serverName',
  };
  return probeTls(target, trust, async () => {
    if (!(await speaksPlainDicom(peer, target.signal))) return undefined;
    return wrong(
      'tls.handshake',
      `No TLS on port ${peer.port} of ${peer.host}`,
      'The port speaks DICOM, but without TLS; the configuration asks for TLS.',
      "Switch TLS on at the destination, or name the port where it has TLS (often 2762); only within a network you trust, take tls out of this destination's entry.",
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
async function refusedAssociation(error: unknown, peer: Peer, target: Target, reached: Reached): Promise<Diagnosis> {
  if (!(error instanceof HubError)) throw error;
  const { rejection, abort, reason } = error.fields;
  const what = `No association with ${peer.calledAeTitle}`;
  if (typeof rejection === 'string') return rejectionOf(rejection, what, peer, reached);
  if (typeof abort === 'string') {
    return wrong('association', what, ...abortSentence(abort));
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
      `The destination refuses our certificate, or wants one and got none (${reason}).`,
      'Name certificate and key under tls of this destination, and have the destination trust their authority.',
    );
  }
  if (peer.tls === undefined && (await speaksTls(target))) {
    return wrong(
      'association',
      what,
      'The port speaks TLS, and the configuration does not.',
      'Write tls: {} into the entry of this destination (and tls.ca with the authority of its certificate), or name its port without TLS.',
    );
  }
  if (peer.tls === undefined && (await speaksHttp(target))) {
    return wrong(
      'association',
      what,
      `A web server (HTTP) is on port ${peer.port}, not a DICOM service.`,
      'Name the DICOM port of the destination (often 104, 11112 or 4242), or use the type stow-rs for its DICOMweb service.',
    );
  }
  if (error.code === 'partner.unreachable') {
    return wrong(
      'association',
      what,
      `It took the connection from ${reached.localAddress} and hung up without an answer: it only talks to hosts it knows, or another service is on the port.`,
      `At the destination, add the address ${reached.localAddress} to the hosts that may connect; and check that port ${peer.port} is its DICOM port.`,
    );
  }
  return wrong(
    'association',
    what,
    'What answers on the port does not speak DICOM.',
    `Check that port ${peer.port} is the DICOM port of the destination.`,
  );
}

async function echo(association: Association, signal: AbortSignal): Promise<Diagnosis> {
  const contextId = association.contextIdOf(VERIFICATION);
  if (contextId === undefined) {
    return warning(
      'echo',
      'C-ECHO is not supported there',
      'The destination refuses the Verification SOP class, which every provider must have (PS3.4 Annex A).',
      'Deliveries do not need it. Ask its administrator to switch it on: others test with it.',
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
    'Look at the log of the destination.',
  );
}

async function sendTestObject(peer: Peer, { hubName, signal }: ProbeContext): Promise<Diagnosis> {
  const object = makeTestObject(hubName, new Date());
  const open = () => Promise.resolve(bytesAsSource(object.bytes));
  let answer: { readonly outcome: string; readonly status: number } | undefined;
  try {
    await sendInstances(peer, [{ ...object, open }], signal, (result) => (answer = result));
  } catch (error) {
    if (!(error instanceof HubError) || signal.aborted) throw error;
    return wrong(
      'test-object',
      'The test instance could not be sent',
      `${error.row.title}: ${String(error.fields['detail'])}.`,
      'Look at the log of the destination.',
    );
  }
  if (answer?.outcome === 'stored') {
    return fine(
      'test-object',
      `The test instance is stored (${hex(answer.status)}). Delete it there: patient ID ${object.patientId}, study ${object.studyInstanceUid}`,
    );
  }
  const status = answer?.status ?? 0;
  return wrong(
    'test-object',
    `The test instance is not stored (${hex(status)})`,
    storeStatusSentence(status),
    'Look at the log of the destination for the same minute.',
  );
}

/** PS3.4 Table B.2-1, PS3.7 Annex C */
function storeStatusSentence(status: number): string {
  if (status >>> 8 === 0xa7)
    return 'The destination is out of resources: its disk is full, or its storage is not there.';
  if (status >>> 8 === 0xa9) return 'The destination finds that the data set does not match its SOP class.';
  if (status >>> 12 === 0xc) return 'The destination cannot understand the data set.';
  if (status === 0x0122) return 'The destination does not take MR Image Storage.';
  if (status === 0x0124) return 'The destination does not allow us to store.';
  return 'The destination could not process it.';
}

const hex = (status: number): string => `0x${status.toString(16).toUpperCase().padStart(4, '0')}`;
