/** Calls the hub from this machine as a source would: association, storage contexts, C-ECHO. */
import type { ConnectionOptions } from 'node:tls';
import { processEnvironment, readSecret } from '../config/environment.ts';
import { type Association, openAssociation } from '../connectors/c-store/association.ts';
import type { Peer } from '../peers/dimse/connection.ts';
import { contextDiagnoses, PROBED_CONTEXTS } from '../connectors/c-store/probe-contexts.ts';
import { VERIFICATION } from '../connectors/probe/dimse.ts';
import { type Diagnosis, fine, skipped, warning, wrong } from '../core/diagnosis.ts';
import { HubError } from '../core/errors.ts';
import type { Config } from '../wiring/shapes.ts';
import { type Decide, type Source, titlesFor } from './doctor-policy.ts';

const TIMEOUTS = { connectMs: 5_000, associationMs: 10_000, responseMs: 10_000 };
/** PS3.8 Table 9-21: calling AE title not recognised. */
const UNKNOWN_CALLER = '1.3';
/** PS3.8 Table 9-21: presentation related, temporary congestion and local limit exceeded. */
const NO_ROOM = ['3.1', '3.2'];

/** @param answering - addresses of this machine on which the port answers */
export async function* selfAssociation(
  config: Config,
  source: Source,
  decide: Decide,
  answering: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Diagnosis> {
  const obstacle = whyNot(config, source);
  if (obstacle !== undefined) {
    yield skipped('association', 'The hub was not called as this source', obstacle);
    return;
  }
  const [calledAeTitle = ''] = titlesFor(config, source);
  const call = (address: string) => ({ address, callingAeTitle: source.aeTitle, calledAeTitle });
  // The hub sees the very address it is called at.
  const address = answering.find((each) => decide(call(each)).accepted) ?? answering[0] ?? '';
  const isExpected = decide(call(address)).accepted;
  const association = await openAssociation(peerOf(config, address, call(address)), PROBED_CONTEXTS, signal).catch(
    (error: unknown) => {
      if (!(error instanceof HubError) || signal.aborted) throw error;
      return error;
    },
  );
  if (association instanceof HubError) {
    yield refused(association, source, address, isExpected);
    return;
  }
  yield isExpected
    ? fine('association', `The hub accepts an association of ${source.aeTitle} from ${address}`)
    : warning(
        'association',
        `The running hub accepts ${source.aeTitle} from ${address}, though this file does not`,
        'It runs with another configuration.',
        'Restart the hub with this configuration.',
      );
  yield* storageContexts(association);
  yield await echo(association);
  await association.release();
}

/** What this command does not have and must not take from the scanner. */
function whyNot({ gateway: { dimse } }: Config, { certificate, userIdentity }: Source): string | undefined {
  if (certificate !== undefined) return 'It must show a client certificate, which only the scanner has.';
  if (userIdentity !== undefined) return 'It must send a user identity, which only the scanner does.';
  const isTlsOnly = dimse.tls !== undefined && dimse.tls.port === undefined;
  return isTlsOnly && dimse.tls?.clientCertificates === 'required'
    ? 'The door asks everybody for a client certificate, and this command has none.'
    : undefined;
}

function peerOf(
  { gateway: { dimse } }: Config,
  host: string,
  { callingAeTitle, calledAeTitle }: { readonly callingAeTitle: string; readonly calledAeTitle: string },
): Peer {
  const peer = { host, port: dimse.port, callingAeTitle, calledAeTitle, timeouts: TIMEOUTS };
  if (dimse.tls === undefined || dimse.tls.port !== undefined) return peer;
  const tls: ConnectionOptions = {
    // The one certificate that may answer is our own; its name need not be the address of this machine.
    ca: readSecret(dimse.tls.certificate, processEnvironment()),
    allowPartialTrustChain: true,
    checkServerIdentity: () => undefined,
  };
  return { ...peer, tls };
}

function refused({ fields, row }: HubError, source: Source, address: string, isExpected: boolean): Diagnosis {
  const { rejection, detail } = fields;
  if (rejection === UNKNOWN_CALLER && !isExpected) {
    return fine(
      'association',
      `The hub refuses ${source.aeTitle} from this machine (${address}), and that is right: only ${source.hosts.join(', ')} may be ${source.name}. What it would say to the scanner itself stands below`,
    );
  }
  return wrong(
    'association',
    `The hub does not accept an association of ${source.aeTitle} from ${address}`,
    `${typeof detail === 'string' ? detail : row.title}.`,
    typeof rejection === 'string' && NO_ROOM.includes(rejection)
      ? 'It takes nothing now: "hub doctor" without names says what of disk and associations is used up.'
      : isExpected
        ? 'By this file it should: "hub reload" takes it, or says why the hub has to be restarted; "hub doctor" without names looks at the hub itself.'
        : 'Look at the log of the hub: it says "association rejected" and why.',
  );
}

function* storageContexts(association: Association): Generator<Diagnosis> {
  const found = contextDiagnoses(association);
  const troubled = found.filter(({ verdict }) => verdict !== 'fine');
  if (troubled.length > 0) yield* troubled;
  else yield fine('contexts', `It takes all ${found.length} storage SOP classes that were tried, compressed too`);
}

async function echo(association: Association): Promise<Diagnosis> {
  const contextId = association.contextIdOf(VERIFICATION);
  const status = contextId === undefined ? undefined : await association.echo(contextId);
  return status === 0
    ? fine('echo', 'C-ECHO is answered')
    : wrong('echo', 'C-ECHO is not answered', 'The hub is ill.', 'Look at its log; restart it.');
}
