/** What a partner may know of a fact: its own schema's fields, under the pseudonymous study UID, and nothing around it. */
import * as z from 'zod';
import { EVENTS, type HubEvent } from '../../core/events.ts';
import type { NewEvent } from '../../core/ledger/common.ts';
import { partnerStream } from '../../core/partners.ts';
import type { PartnerStream } from '../../core/streams.ts';

export type PartnerEvent = NewEvent & { readonly stream: PartnerStream };

/** A fact about the partner's own account, of no study. */
const account = z.looseObject({ partner: z.string(), studyInstanceUid: z.undefined().optional() });
/** Fields by which a fact says for whom its results were released. */
const released = z.looseObject({
  partner: z.string(),
  studyInstanceUid: z.string(),
  releasedStudyInstanceUid: z.string(),
  route: z.string(),
});

/**
 * The event as its partner sees it; undefined when it is for no partner.
 *
 * @param isOfPartner - whether a destination belongs to the partner: a partner does not learn who else gets the study
 * @throws {z.ZodError} a defect of ours: the fact does not fit the partner's schema
 */
export function projectForPartner(
  event: HubEvent,
  isOfPartner: (destination: string, partner: string) => boolean,
): PartnerEvent | undefined {
  const entry = EVENTS[event.type];
  if (!('partner' in entry)) return undefined;
  const fact = released.safeParse(event.data);
  if (!fact.success) {
    const own = account.safeParse(event.data);
    if (!own.success) return undefined;
    const { partner } = own.data;
    return parsePartnerEvent(event, partnerStream(partner), event.key, undefined, pick(entry.partner, own.data));
  }
  const { partner, studyInstanceUid: original, releasedStudyInstanceUid } = fact.data;
  const { destinations, ...fields } = fact.data;
  const known: Record<string, unknown> = {
    ...fields,
    studyInstanceUid: releasedStudyInstanceUid,
    ...(destinations === undefined
      ? {}
      : {
          destinations: z
            .array(z.string())
            .parse(destinations)
            .filter((name) => isOfPartner(name, partner)),
        }),
  };
  const data = pick(entry.partner, known);
  // No route of ours lets this happen; if it does, the event must not leave.
  if (original !== releasedStudyInstanceUid && JSON.stringify(data).includes(original)) {
    throw new TypeError(`${event.type} would carry the original study UID to a partner`);
  }
  return parsePartnerEvent(event, partnerStream(partner), releasedStudyInstanceUid, fact.data.route, data);
}

/** The fields of the partner's schema, and no others. */
function pick(schema: z.ZodObject, known: Readonly<Record<string, unknown>>): unknown {
  const names = Object.keys(schema.shape).filter((key) => known[key] !== undefined);
  return schema.parse(Object.fromEntries(names.map((key) => [key, known[key]])));
}

/** No correlation, causation or original event ID: they lead back into the hub. */
function parsePartnerEvent(
  event: HubEvent,
  stream: PartnerStream,
  key: string,
  route: string | undefined,
  data: unknown,
): PartnerEvent {
  // On a partner's stream the data has the partner's schema, which `parse` has just proven; the type has only the hub's.
  return { type: event.type, stream, key, ...(route === undefined ? {} : { route }), data } as PartnerEvent;
}
