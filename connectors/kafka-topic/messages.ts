/**
 * What a topic is told of a delivery: CloudEvents 1.0, binary mode of the Kafka protocol binding. One message an instance
 * and a file, with what it is and where it can be had, never its bytes; then that the study is there. The key is the study.
 */
import * as z from 'zod';
import { EVENTS, wireType } from '../../core/events.ts';
import type { DeliveryOrder } from '../../core/plugins.ts';
import type { RunItem } from '../../core/store.ts';
import type { TopicMessage } from '../../core/topics.ts';
import { filled } from '../file-layout.ts';

const uid = z.string().regex(/^[0-9.]{1,64}$/);
const common = {
  studyInstanceUid: uid,
  revision: z.int().min(1),
  sizeBytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
};

/** Data of each type of message, beside `study.processed` at the end, which is as partners see it. */
export const RELEASED = {
  'hub.instance.released.v1': z.strictObject({
    ...common,
    seriesInstanceUid: uid,
    sopInstanceUid: uid,
    sopClassUid: uid,
    transferSyntaxUid: uid,
    url: z.string().optional(),
  }),
  'hub.file.released.v1': z.strictObject({
    ...common,
    name: z.string(),
    mediaType: z.string(),
    seriesInstanceUid: uid.optional(),
  }),
} as const;

/** The same message for each attempt: `ce_id` is that of the delivery and the instance, by which a consumer sees a repeat. */
export function messageOf(
  order: DeliveryOrder,
  item: RunItem,
  { hubName, link }: { readonly hubName: string; readonly link: string | undefined },
): TopicMessage {
  const { studyInstanceUid, revision } = order;
  const { sizeBytes, sha256 } = item;
  const known = { studyInstanceUid, revision, sizeBytes, sha256 };
  if (item.kind === 'artefact') {
    const { name, mediaType, seriesInstanceUid } = item;
    const type = 'hub.file.released.v1';
    const data = RELEASED[type].parse({ ...known, name, mediaType, seriesInstanceUid });
    return cloudEvent(order, { id: `${order.deliveryId}.${name}`, type, hubName, data });
  }
  const { seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid } = item;
  const type = 'hub.instance.released.v1';
  const data = RELEASED[type].parse({
    ...known,
    ...{ seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid },
    ...(link === undefined ? {} : { url: filled(link, order, item) }),
  });
  return cloudEvent(order, { id: `${order.deliveryId}.${sopInstanceUid}`, type, hubName, data });
}

/** The last of a delivery: all that it speaks of stands before it. */
export function endOf(order: DeliveryOrder, hubName: string): TopicMessage {
  const artefacts = order.items.filter(({ kind }) => kind === 'artefact').length;
  const data = EVENTS['study.processed'].partner.parse({
    studyInstanceUid: order.studyInstanceUid,
    revision: order.revision,
    instances: order.items.length - artefacts,
    artefacts,
    destinations: [order.destination],
    files: [],
  });
  return cloudEvent(order, { id: order.deliveryId, type: wireType('study.processed'), hubName, data });
}

/** Without a time, so that each attempt sends the very same message. */
function cloudEvent(
  order: DeliveryOrder,
  event: { readonly id: string; readonly type: string; readonly hubName: string; readonly data: unknown },
): TopicMessage {
  return {
    key: order.studyInstanceUid,
    value: JSON.stringify(event.data),
    headers: {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_source: `urn:hub:${event.hubName}`,
      ce_type: event.type,
      ce_subject: order.studyInstanceUid,
    },
  };
}
