/**
 * What a gateway is among the replicas of the hub: it says that it is there, so that what it received is left to it; one
 * of all is the caretaker, who does what is to be done once for all of them; each watched folder has one that looks.
 */
import { HubError } from '../../core/errors.ts';
import { nodeLease, type Whose } from '../../core/ledger/replicas.ts';
import type { Logger } from '../../core/ports.ts';
import { BehindMark } from './behind.ts';
import { HeldLease, type HeldLeasePorts } from '../../core/held-lease.ts';
import { waited } from '../../core/waited.ts';

export interface Presence {
  /** Whose studies and commitments are judged here; undefined: everybody's, for there is nobody else. */
  whose(): Whose | undefined;
  /** What the hub does once, not once a replica, is done here. */
  isCaretaker(): boolean;
  /** From now on others are told while the ledger was not told of all that was received here. */
  announce(isBehind: () => boolean): void;
  /** What the ledger does not know another gateway may have received. @throws {HubError} what the ledger says */
  areOthersBehind(): Promise<boolean>;
  /** The watched folder is looked into by this gateway. */
  mayWatch(folder: string): boolean;
  /** @param isBehind - the ledger was not told of all that was received: nobody may judge it yet */
  stop(isBehind: boolean): Promise<void>;
}

export interface ReplicaOptions {
  readonly node: string;
  /** Of the data folder: the same after a restart, and no other has it. */
  readonly identity: string;
  readonly leaseMs?: number;
}

/** As long as what a gateway received waits for it after it died. */
const LEASE_MS = 15_000;
/** For a ledger that does not answer: the doors open all the same. */
const PATIENCE_MS = 1_000;
/** After the ledger was away all gateways must have had time to say that they are there. */
const STEADY_LEASES = 2;

/** The only gateway of its ledger. */
export const ALONE: Presence = {
  whose: () => undefined,
  isCaretaker: () => true,
  announce: () => undefined,
  areOthersBehind: () => Promise.resolve(false),
  mayWatch: () => true,
  stop: () => Promise.resolve(),
};

/** @throws {HubError} `config.invalid` when another data folder's hub that runs has the same name */
export async function joinReplicas(
  ports: HeldLeasePorts & { readonly log: Logger },
  { node, identity, leaseMs = LEASE_MS }: ReplicaOptions,
  folders: readonly string[],
): Promise<Presence> {
  const lease = (name: string) => new HeldLease(ports, { name, owner: identity, leaseMs });
  const own = lease(nodeLease(node));
  await claim(own, node, leaseMs, ports.log);
  const caretaker = lease('caretaker');
  const watched = new Map(folders.map((folder) => [folder, lease(`folder/${folder}`)]));
  const all = [own, caretaker, ...watched.values()];
  for (const each of all) each.start();
  const mark = new BehindMark(ports, { node, identity });

  return {
    whose: () => {
      const isSteady = [own, caretaker].every(({ steadyMs }) => steadyMs >= STEADY_LEASES * leaseMs);
      return isSteady ? { abandonedAt: ports.clock.now() } : {};
    },
    isCaretaker: () => caretaker.isHeld,
    announce: (isBehind) => mark.start(isBehind),
    areOthersBehind: () => mark.othersAre(),
    mayWatch: (folder) => watched.get(folder)?.isHeld === true,
    async stop(isBehind) {
      await Promise.all([mark.stop(isBehind), ...all.map((each) => each.stop(each === own && isBehind))]);
    },
  };
}

/** Two that take each other for the same would keep their places in the spool under one name, and lose some. */
async function claim(own: HeldLease, node: string, leaseMs: number, log: Logger): Promise<void> {
  if (await isClaimed(own)) return;
  log.warn('another data folder had this name a moment ago, the start waits for its lease to end', { node });
  await waited(leaseMs + PATIENCE_MS, new AbortController().signal);
  if (await isClaimed(own)) return;
  const detail = `hub.node: a replica that is running is called ${node} too; each needs a name of its own`;
  throw new HubError('config.invalid', { detail });
}

/** @returns true also when the ledger cannot be asked: it is claimed later */
async function isClaimed(own: HeldLease): Promise<boolean> {
  const given = new AbortController();
  const answer = await Promise.race([
    own.attempt().catch(() => true),
    waited(PATIENCE_MS, given.signal).then(() => true),
  ]);
  given.abort();
  return answer;
}
