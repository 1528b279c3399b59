/** How full the disk is, and where receiving ends: what lets somebody be told before scanners are turned away. */
import type { GatewayMetrics } from './metrics.ts';
import type { DiskGuard } from './spool/disk-guard.ts';

/** @param spool - its disk, as last seen */
export function reportDisk(metrics: GatewayMetrics, spool: { readonly disk: DiskGuard['measured'] }): void {
  metrics.diskFreeBytes.collect(() => {
    const { disk } = spool;
    if (disk === undefined) return;
    metrics.diskFreeBytes.set({}, disk.freeBytes);
    metrics.diskMinFreeBytes.set({}, disk.minFreeBytes);
    metrics.diskUsedRatio.set({}, disk.usedFraction);
    metrics.diskMaxUsedRatio.set({}, disk.maxUsedFraction);
    metrics.diskLow.set({}, disk.isLow ? 1 : 0);
  });
}
