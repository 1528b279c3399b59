/** What a destination was asked for, series by series, and what it was found not to have. */
import type { DeliveryOrder, Reconciliation } from '../core/plugins.ts';
import type { InstanceItem } from '../core/store.ts';

export interface SeriesOfOrder {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly instances: readonly InstanceItem[];
}

function seriesOf({ items }: DeliveryOrder): readonly SeriesOfOrder[] {
  const series = new Map<string, InstanceItem[]>();
  for (const item of items) {
    if (item.kind !== 'instance') continue;
    const key = `${item.studyInstanceUid} ${item.seriesInstanceUid}`;
    series.set(key, [...(series.get(key) ?? []), item]);
  }
  return [...series.values()].flatMap((instances) => {
    const [first] = instances;
    return first === undefined ? [] : [{ ...first, instances }];
  });
}

/** @param has - SOP Instance UIDs that the destination says it has of a series */
export async function reconcileBySeries(
  order: DeliveryOrder,
  how: string,
  has: (series: SeriesOfOrder) => Promise<ReadonlySet<string>>,
): Promise<Reconciliation> {
  const missing: string[] = [];
  for (const series of seriesOf(order)) {
    order.signal.throwIfAborted();
    const found = await has(series);
    for (const { sopInstanceUid } of series.instances) if (!found.has(sopInstanceUid)) missing.push(sopInstanceUid);
  }
  return { missing, detail: how };
}
