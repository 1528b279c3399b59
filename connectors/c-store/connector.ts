/** Delivers instances to a C-STORE provider (PS3.4 Annex B). */
import { isIP } from 'node:net';
import { HubError } from '../../core/errors.ts';
import { parseAeTitle } from '../../core/identifiers.ts';
import type { Connector, ConnectorContext, ProbeContext } from '../../core/plugins.ts';
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { InstanceItem } from '../../core/store.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { keptOther, type Rejection, rejectionOf } from '../rejections.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import { KeptAssociations } from './associations.ts';
import type { CStoreOptions } from './options.ts';
import { probeCStore } from './probe.ts';
import { type How, reconcileWithPeer } from './reconcile.ts';
import { sendInstances } from './send.ts';

export function open(given: CStoreOptions, context: ConnectorContext): Connector {
  const peer = peerOf(given, context);
  /** As many as deliveries at once. */
  const associations = new KeptAssociations(peer, { idleMs: given.keepAssociation, most: given.concurrency });
  return {
    deliver: async (order, onDelivered) => {
      const rejections: Rejection[] = [];
      const aborted: string[] = [];
      const instances = order.items
        .filter((item) => item.kind === 'instance')
        .filter(({ sopInstanceUid }) => !order.delivered.has(sopInstanceUid))
        .map((item) => ({
          ...item,
          open: () => context.store.open(item.blob),
          ...decodedOf(given, context, item, order.signal),
        }));
      attemptNotes()?.asked(`C-STORE to ${peer.calledAeTitle}, ${String(instances.length)} instances`);
      await sendInstances(
        peer,
        instances,
        order.signal,
        ({ instance, outcome, status, detail }) => {
          const { sopInstanceUid } = instance;
          attemptNotes()?.answered(`status 0x${status.toString(16).toUpperCase().padStart(4, '0')}`);
          switch (outcome) {
            case 'stored':
              onDelivered(sopInstanceUid);
              return;
            case 'duplicate':
              // The peer has it, perhaps from an attempt whose answer got lost; or it has what this one was before.
              if (order.revised.has(sopInstanceUid)) rejections.push(keptOther(sopInstanceUid));
              else onDelivered(sopInstanceUid);
              return;
            case 'refused':
              rejections.push({ sopInstanceUid, status, ...(detail === undefined ? {} : { detail }) });
              return;
            case 'aborted':
              aborted.push(sopInstanceUid);
              return;
            case 'busy':
              // A peer without room has none for the next one either.
              throw rejectionOf([{ sopInstanceUid, status }]);
            default:
              outcome satisfies never;
          }
        },
        associations,
      );
      // Perhaps the peer was ill just then: these are tried again, whatever became of the others.
      if (aborted.length > 0) {
        throw new HubError('partner.unreachable', {
          detail: 'it aborted the association over instances',
          aborted: aborted.slice(0, 50),
        });
      }
      if (rejections.length > 0) throw rejectionOf(rejections);
    },
    ...(given.verify === 'none'
      ? {}
      : { reconcile: reconcileAs(howOf(given, context), peer, () => associations.releaseIdle()) }),
    close: () => associations.close(),
  };
}

export function probe(given: CStoreOptions, context: ProbeContext): AsyncIterable<Diagnosis> {
  return probeCStore(() => peerOf(given, context), context);
}

function decodedOf(
  { transcode }: CStoreOptions,
  { decoded, store }: ConnectorContext,
  item: InstanceItem,
  signal: AbortSignal,
): { readonly decoded?: () => AsyncIterable<Uint8Array> } {
  switch (transcode) {
    case 'none':
      return {};
    case 'explicit-little-endian':
      return decoded.isPossible(item) ? { decoded: () => decoded.file(item, store, signal) } : {};
    default:
      return transcode satisfies never;
  }
}

function howOf({ verify, commitment }: CStoreOptions, { askedCommitments }: ConnectorContext): How {
  if (verify !== 'commitment') return 'after';
  const { sameAssociation: sameAssociationMs, wait: waitMs, requests } = commitment;
  return { askedCommitments, patience: { sameAssociationMs, waitMs, requests } };
}

/** @param before - a peer that takes one association at a time is let go of first */
function reconcileAs(how: How, peer: Peer, before: () => Promise<void>): NonNullable<Connector['reconcile']> {
  return async (order) => {
    await before();
    return await reconcileWithPeer(order, peer, how);
  };
}

function peerOf(
  { host, port, aeTitle: called, callingAeTitle, tls, timeouts }: CStoreOptions,
  context: Pick<ConnectorContext, 'secret'>,
): Peer {
  const pem = (name: 'ca' | 'certificate' | 'key') =>
    tls?.[name] === undefined ? undefined : context.secret(tls[name]);
  const [ca, cert, key] = [pem('ca'), pem('certificate'), pem('key')];
  return {
    host,
    port,
    calledAeTitle: parseAeTitle(called),
    callingAeTitle: parseAeTitle(callingAeTitle),
    timeouts: { connectMs: timeouts.connect, associationMs: timeouts.association, responseMs: timeouts.response },
    ...(tls === undefined
      ? {}
      : {
          tls: {
            // RFC 6066 Section 3: no address as a server name; without one the certificate is held against the host.
            ...(tls.serverName === undefined && isIP(host) !== 0 ? {} : { servername: tls.serverName ?? host }),
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
          },
        }),
  };
}
