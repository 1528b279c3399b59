/** Delivers instances to a C-STORE provider (PS3.4 Annex B). */
import { isIP } from 'node:net';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { parseAeTitle } from '../../core/identifiers.ts';
import type { Connector, ConnectorContext, ConnectorPlugin } from '../../core/plugins.ts';
import { duration } from '../../core/quantities.ts';
import type { InstanceItem } from '../../core/store.ts';
import { attemptNotes } from '../attempt-notes.ts';
import { destinationOptions, secretReference } from '../destination-options.ts';
import { keptOther, type Rejection, rejectionOf } from '../rejections.ts';
import type { Peer } from '../../peers/dimse/connection.ts';
import type { KeptAssociations } from './associations.ts';

const TIMEOUTS = { connect: '10s', association: '30s', response: '120s' };

const aeTitle = z.string().refine((text) => isAeTitle(text), 'one to 16 printable characters, no backslash');

const options = z.strictObject({
  ...destinationOptions,
  type: z.literal('c-store'),
  verify: z
    .enum(['none', 'after', 'commitment'])
    .default('none')
    .describe('after: C-FIND for what it confirmed; commitment: a storage commitment. What is missing goes again.'),
  host: z.string().min(1),
  port: z.int().min(1).max(65_535),
  aeTitle: aeTitle.describe('Called AE title.'),
  callingAeTitle: aeTitle.default('HUB').describe('Our own AE title, as the peer knows it.'),
  tls: z
    .strictObject({
      ca: secretReference.optional().describe('PEM of the authorities to trust in place of the usual ones.'),
      certificate: secretReference.optional().describe('Our certificate, PEM.'),
      key: secretReference.optional().describe('Its key, PEM.'),
      serverName: z.string().min(1).optional().describe("Name in the peer's certificate, where it is not the host."),
    })
    .optional(),
  transcode: z
    .enum(['none', 'explicit-little-endian'])
    .default('none')
    .describe('What an instance may be made when the peer does not take its transfer syntax; none: it is refused.'),
  keepAssociation: duration('0ms', '10m')
    .prefault('5s')
    .describe('An association that is not used is kept so long for the next delivery; 0s: each has its own.'),
  timeouts: z
    .strictObject({
      connect: duration('100ms', '5m').prefault(TIMEOUTS.connect),
      association: duration('100ms', '5m')
        .prefault(TIMEOUTS.association)
        .describe('For the answer to an association request.'),
      response: duration('100ms', '1h')
        .prefault(TIMEOUTS.response)
        .describe('For a C-STORE-RSP, or for taking more bytes.'),
    })
    .prefault({}),
});
type CStoreOptions = z.infer<typeof options>;

export const cStore: ConnectorPlugin<CStoreOptions> = {
  type: 'c-store',
  options,
  open,
  async *probe(given, context) {
    const { probeCStore } = await import('./probe.ts');
    yield* probeCStore(() => peerOf(given, context), context);
  },
};

function open(given: CStoreOptions, context: ConnectorContext): Connector {
  const peer = peerOf(given, context);
  let kept: Promise<KeptAssociations> | undefined;
  return {
    deliver: async (order, onDelivered) => {
      // When it is needed: the library behind it takes 15 MB of every thread that only reads a configuration.
      const { sendInstances } = await import('./send.ts');
      const associations = await (kept ??= keptAssociations(given, peer));
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
      : { reconcile: reconcileAs(given.verify, peer, async () => (await kept)?.releaseIdle()) }),
    close: async () => {
      await (await kept)?.close();
    },
  };
}

/** As many as deliveries at once. */
async function keptAssociations(
  { keepAssociation: idleMs, concurrency: most }: CStoreOptions,
  peer: Peer,
): Promise<KeptAssociations> {
  const associations = await import('./associations.ts');
  return new associations.KeptAssociations(peer, { idleMs, most });
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

/** @param before - a peer that takes one association at a time is let go of first */
function reconcileAs(
  how: 'after' | 'commitment',
  peer: Peer,
  before: () => Promise<void>,
): NonNullable<Connector['reconcile']> {
  return async (order) => {
    await before();
    const { reconcileWithPeer } = await import('./reconcile.ts');
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

function isAeTitle(text: string): boolean {
  try {
    parseAeTitle(text);
    return true;
  } catch {
    // The schema says what an AE title is.
    return false;
  }
}
