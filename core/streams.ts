/** The streams that events are ordered in: a topic of Kafka each, or a name in the embedded log. */

export const STREAMS = ['hub.ingest.v1', 'hub.work.v1', 'hub.result.v1', 'hub.delivery.v1', 'hub.audit.v1'] as const;

export type HubStream = (typeof STREAMS)[number];
/** What partners see, each its own. */
export type PartnerStream = `partner.${string}.v1`;
export type Stream = HubStream | PartnerStream;
