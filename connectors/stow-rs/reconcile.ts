/** Asks an origin server what it has of an order, with QIDO-RS (PS3.18 Section 10.6). */
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import type { DeliveryOrder, Reconciliation } from '../../core/plugins.ts';
import { type Answer, refusalOf } from '../exchange.ts';
import { reconcileBySeries, type SeriesOfOrder } from '../reconciliation.ts';
import type { Service } from './service.ts';

/** Instances a page; Orthanc and dcm4chee give as many when they are asked. */
const PAGE = 1_000;

/** (0008,0018), as DICOM JSON names it (PS3.18 Annex F). */
const matches = z.array(z.looseObject({ '00080018': z.looseObject({ Value: z.array(z.string()).min(1) }) }));

export async function reconcileWithQido(order: DeliveryOrder, service: Service): Promise<Reconciliation> {
  return await reconcileBySeries(order, 'QIDO-RS', (series) => instancesOf(series, service, order.signal));
}

async function instancesOf(
  { studyInstanceUid, seriesInstanceUid, instances }: SeriesOfOrder,
  service: Service,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  // What the series has beside ours (of earlier revisions, of others) is bounded too.
  const mostPages = 2 + Math.ceil((2 * instances.length) / PAGE);
  for (let page = 0; page < mostPages; page += 1) {
    const url = new URL(`${service.url}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances`);
    url.search = new URLSearchParams({ limit: String(PAGE), offset: String(page * PAGE) }).toString();
    const answer = await ask(url, service, signal);
    const known = found.size;
    const uids = uidsOf(answer);
    for (const uid of uids) found.add(uid);
    // A page that says nothing new is the last, or the server does not look at the offset.
    if (uids.length === 0 || found.size === known || instances.every((each) => found.has(each.sopInstanceUid))) break;
  }
  return found;
}

async function ask(url: URL, service: Service, signal: AbortSignal): Promise<Answer> {
  return await service.ask({ url, headers: { Accept: 'application/dicom+json' }, signal });
}

/** @throws {HubError} `partner.refused` when the answer is none of QIDO-RS, `partner.busy` */
function uidsOf(answer: Answer): readonly string[] {
  // 204: no match. 404: no such study or series; some say it so.
  if (answer.status === 204 || answer.status === 404) return [];
  if (answer.status !== 200) throw refusalOf(answer);
  const parsed = matches.safeParse(parseJson(answer.body));
  if (!parsed.success) {
    throw new HubError('partner.refused', { status: answer.status, detail: 'its answer is not one of QIDO-RS' });
  }
  return parsed.data.flatMap((match) => match['00080018'].Value.slice(0, 1));
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // Not JSON: the schema refuses undefined.
    return undefined;
  }
}
