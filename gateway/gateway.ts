/** The gateway stage is opened: what a crash left is mended, then spool, pump and doors are put together. */
import { join } from 'node:path';
import { Arrivals } from './arrivals.ts';
import { ChangingRules } from './completion/rules.ts';
import { emptyFolder } from './folder/unpack.ts';
import { HeaderReader } from './header/header-reader.ts';
import { gatewayMetrics } from './metrics.ts';
import type { GatewayOptions, GatewayPorts } from './options.ts';
import { ALONE, joinReplicas, type Presence } from './replicas/presence.ts';
import { resume } from './resume.ts';
import { Retention } from './retention.ts';
import { type Gateway, RunningGateway } from './running-gateway.ts';
import type { DiskLimits } from './spool/disk-guard.ts';
import { openReceived } from './spool/byte-sources.ts';
import { DigestThread } from './spool/digest-thread.ts';
import { openKeptRequests } from './dimse/commitment/kept-requests.ts';
import { digesterHere } from './spool/digester.ts';
import { openSpoolFolder } from './spool/files.ts';
import { SpoolPump } from './spool/pump.ts';
import { openRemote } from './spool/remote.ts';
import { openSpool } from './spool/spool.ts';

const DEFAULT_DISK: DiskLimits = { maxUsedFraction: 0.75, minFreeBytes: 5 * 1024 ** 3 };
const DEFAULT_SPOOL = {
  segmentBytes: 256 * 1024 ** 2,
  maxInFlightBytes: 256 * 1024 ** 2,
  maxObjectBytes: 16 * 1024 ** 3,
};

/**
 * Mends what a crash left in the spool and makes the gateway ready; no door is open yet.
 *
 * @throws {HubError} `config.invalid`
 */
export async function openGateway(ports: GatewayPorts, options: GatewayOptions): Promise<Gateway> {
  const log = ports.log.child({ stage: 'gateway' });
  const { ledger, clock } = ports;
  const folders = (options.folders ?? []).map(({ name }) => name);
  // First: under the name of another data folder's hub the ledger answers with that one's positions. By them a recovery
  // would cut off what it should tell.
  const presence =
    options.replica === undefined ? ALONE : await joinReplicas({ ledger, clock, log }, options.replica, folders);
  try {
    return await openInside({ ...ports, log }, options, presence);
  } catch (error) {
    await presence.stop(true);
    throw error;
  }
}

async function openInside(ports: GatewayPorts, options: GatewayOptions, presence: Presence): Promise<Gateway> {
  const { ledger, clock, log } = ports;
  const folder = join(options.dataDir, 'spool');
  const files = ports.files ?? (await openSpoolFolder(folder));
  const digester =
    ports.digestWorker === undefined ? digesterHere(files) : new DigestThread(ports.digestWorker, folder);
  const metrics = gatewayMetrics(ports.metrics);
  const arrivals = new Arrivals();
  const rules = new ChangingRules(options.completion);
  const positions = await ledger.instances.spoolPositions();
  let isOpen: (segment: string) => boolean = () => true;
  const remote =
    ports.remote === undefined || options.shipping === undefined
      ? undefined
      : openRemote(
          { ledger, files, digester, log, clock, store: ports.remote, isOpen: (segment) => isOpen(segment) },
          options.shipping,
          new Map(positions.map(({ segment, offset }) => [segment, offset])),
        );
  const pump = new SpoolPump({
    ledger,
    files,
    digester,
    log,
    clock,
    metrics,
    completionOf: (source) => rules.timerOf(source),
    onRecorded: (instance) => arrivals.forget(instance),
    ...(remote === undefined
      ? {}
      : { shipping: remote.shipping, onTold: (segment, offset) => remote.segments.told(segment, offset) }),
  });
  const { spool, unrecorded } = await openSpool(
    files,
    positions,
    {
      ...DEFAULT_SPOOL,
      ...options.spool,
      disk: { ...DEFAULT_DISK, ...options.disk },
      // The bucket may hold packs that the ledger does not know, perhaps all that is left of what was received: it was lost,
      // or is one of an older backup. A segment that had the number of one of theirs would let the sweep take them for its
      // own. Seconds since 1970 are more than a hub has counted that began like this and made less than a segment a second.
      ...(remote === undefined ? {} : { firstSequence: Math.floor(clock.now().getTime() / 1000) }),
    },
    log,
  );
  isOpen = (segment) => spool.isOpen(segment);
  if (unrecorded.length > 0) log.info('spool holds instances the ledger does not know', { records: unrecorded.length });
  await resume(unrecorded, arrivals, pump);
  const unpacked = join(options.dataDir, 'unpacked');
  // What a crash left of studies that were being taken out of archives: those stand in their folders still.
  await emptyFolder(unpacked);
  return new RunningGateway(ports, options, {
    presence,
    keptRequests: await openKeptRequests(join(options.dataDir, 'commitments'), log),
    spool,
    pump,
    digester,
    arrivals,
    headers: new HeaderReader(),
    metrics,
    rules,
    unpacked,
    openReceived: async (blob) => ports.remote?.objects.open(blob) ?? openReceived(files, blob),
    remote,
    retention:
      options.retention === undefined
        ? undefined
        : new Retention(
            {
              ledger: ports.ledger,
              files,
              log,
              clock: ports.clock,
              nextName: spool.nextName,
              isOpen: (segment) => spool.isOpen(segment),
              isCaretaker: () => presence.isCaretaker(),
              removeResults: ports.removeResults ?? (() => Promise.resolve(0)),
              ...(remote === undefined ? {} : { sweepPacks: remote.sweep }),
            },
            options.retention,
          ),
  });
}
