/** The step at work: what a partner returned is led back, all of it or none. */
import { encodingOf, requireTransferSyntax } from '../../core/dicom/data-set.ts';
import { checkPixelData, fileMeta, type Part10Header, readHeader } from '../../core/dicom/part10.ts';
import { walk } from '../../core/dicom/walker.ts';
import { HubError } from '../../core/errors.ts';
import type { CrosswalkLedger } from '../../core/ledger/crosswalk.ts';
import type { ProcessorContext, ProcessorResult } from '../../core/plugins.ts';
import { returnedUids } from '../../core/returned-uids.ts';
import type { ByteSource, InstanceItem } from '../../core/store.ts';
import { crosswalkCodec, CROSSWALK_PURPOSE } from '../crosswalk/codec.ts';
import { Crosswalk } from '../crosswalk/lookup.ts';
import { partsOfReturn } from '../crosswalk/parts.ts';
import { bodyOf } from '../deidentify/body.ts';
import { shiftDate } from '../deidentify/dates.ts';
import { UNTOUCHED } from '../deidentify/pixels/claims.ts';
import { createPseudonyms } from '../deidentify/pseudonyms.ts';
import { uidValues } from '../deidentify/value-rules.ts';
import { restoreHeader } from './restore.ts';
import { uidsOfObject, type UidsOfObject } from './uids-of-object.ts';
import { judge, type Knowledge, type Refusal, type WayBack } from './way-back.ts';
import type { ReidentifyOptions } from './options.ts';

/** Of one question to the ledger. */
const UIDS_AT_ONCE = 256;
/** Of all objects of a run together: what they name is in memory. */
const MAX_UIDS = 500_000;

export async function run(context: ProcessorContext<ReidentifyOptions>): Promise<ProcessorResult> {
  const { options, crosswalk: ledger } = context;
  if (ledger === undefined) throw new TypeError('there is no crosswalk without a ledger');
  const secret = await context.secret(CROSSWALK_PURPOSE);
  const items = context.items.filter((item) => item.kind === 'instance');
  const examined = await examineAll(context, items, secret);
  if (examined.refusals.length > 0) return held(items, examined.refusals);
  const { objects } = examined;

  const known = await knowledgeOf(objects, options, ledger, {
    crosswalk: secret,
    deidentify: await context.secret('deidentify'),
  });
  const judgement = judge(objects, known, shiftDate);
  if (judgement.outcome === 'refused') return held(items, judgement.refusals);

  const { wayBack } = judgement;
  const written: InstanceItem[] = [];
  for (const [index, item] of items.entries()) {
    context.signal.throwIfAborted();
    const object = objects[index];
    if (object === undefined) continue;
    const restored = await leadBack(context, item, object, wayBack);
    if (typeof restored === 'string') return held(items, [{ sopInstanceUid: object.sopInstanceUid, reason: restored }]);
    written.push(restored);
    context.progress((items.length + index + 1) / (2 * items.length));
  }
  const own = objects.flatMap(({ sopInstanceUid, seriesInstanceUid }) => [seriesInstanceUid, sopInstanceUid]);
  return {
    outcome: 'done',
    items: written,
    // It may refer to what it returned before.
    crosswalk: partsOfReturn(crosswalkCodec(secret, options.partner), wayBack.study.study[0], [...new Set(own)]),
    events: [
      {
        type: 'study.reidentified',
        data: {
          returnedBy: options.partner,
          originalStudyInstanceUid: wayBack.study.study[1],
          instances: written.length,
          references: wayBack.references,
        },
      },
    ],
  };
}

/** What the objects name; each has to have come through a door of this partner. */
async function examineAll(
  context: ProcessorContext<ReidentifyOptions>,
  items: readonly InstanceItem[],
  secret: Uint8Array,
): Promise<{ readonly objects: readonly UidsOfObject[]; readonly refusals: readonly Refusal[] }> {
  const names = returnedUids(secret);
  const { partner } = context.options;
  const objects: UidsOfObject[] = [];
  const refusals: Refusal[] = [];
  let uids = 0;
  for (const [index, item] of items.entries()) {
    context.signal.throwIfAborted();
    const refuse = (reason: string) => refusals.push({ sopInstanceUid: item.sopInstanceUid, reason });
    const source = await context.store.open(item.blob);
    try {
      const object = uidsOfObject((await readHeader(source)).dataSet);
      uids += object.references.size + object.others.size;
      if (names.of(partner, object.sopInstanceUid) !== item.sopInstanceUid)
        refuse('it was not returned by this partner');
      else if (uids > MAX_UIDS) refuse('it names more than can be looked up');
      else objects.push(object);
    } catch (error) {
      if (!(error instanceof HubError) || !error.code.startsWith('dataset.')) throw error;
      refuse(error.row.title.toLowerCase());
    } finally {
      await source.close();
    }
    context.progress((index + 1) / (2 * items.length));
  }
  return { objects, refusals };
}

async function knowledgeOf(
  objects: readonly UidsOfObject[],
  { partner, recipients }: ReidentifyOptions,
  ledger: CrosswalkLedger,
  secrets: { readonly crosswalk: Uint8Array; readonly deidentify: Uint8Array },
): Promise<Knowledge> {
  const crosswalk = new Crosswalk(secrets.crosswalk, partner, ledger);
  const named = new Set(
    objects.flatMap((each) => [
      ...[each.studyInstanceUid, each.seriesInstanceUid, each.sopInstanceUid],
      ...(each.ownFrame === undefined ? [] : [each.ownFrame]),
      ...each.references,
      ...each.others,
    ]),
  );
  const places = await crosswalk.find(named);
  const releasedStudies = new Set(
    [...places.values()].flat().map(({ content }) => (content.kind === 'study' ? content.study[0] : content.study)),
  );
  const studies = new Map<string, Awaited<ReturnType<Crosswalk['studies']>>>();
  for (const uid of releasedStudies) studies.set(uid, await crosswalk.studies(uid));

  const own = [...new Set(objects.flatMap((each) => [each.sopInstanceUid, each.seriesInstanceUid]))];
  const taken = new Set<string>();
  for (let at = 0; at < own.length; at += UIDS_AT_ONCE)
    for (const uid of await ledger.received(own.slice(at, at + UIDS_AT_ONCE))) taken.add(uid);
  for (const recipient of new Set([partner, ...recipients])) {
    const theirs = recipient === partner ? crosswalk : new Crosswalk(secrets.crosswalk, recipient, ledger);
    const pseudonyms = createPseudonyms(secrets.deidentify, recipient);
    // The new name of an original that was released, also where nothing else is left of it.
    const renamed = new Map(own.map((uid) => [pseudonyms.uid(uid), uid]));
    for (const released of (await theirs.find(renamed.keys())).keys()) taken.add(renamed.get(released) ?? '');
    if (recipient !== partner) for (const uid of (await theirs.find(own)).keys()) taken.add(uid);
  }
  return { places, studies, taken };
}

async function leadBack(
  { store, pack, options }: ProcessorContext<ReidentifyOptions>,
  item: InstanceItem,
  { seriesInstanceUid, sopInstanceUid, sopClassUid }: UidsOfObject,
  wayBack: WayBack,
): Promise<InstanceItem | string> {
  const source = await store.open(item.blob);
  try {
    const header = await readHeader(source);
    const dataSet = restored(header, wayBack, options.partner);
    if (typeof dataSet === 'string') return dataSet;
    const { transferSyntaxUid } = header;
    const body = await bodyWith(source, header, dataSet, fileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid }));
    const stored = await pack.append(body.chunks);
    if (!(await body.isPixelDataEqual())) return 'pixel data changed on the way';
    const [, studyInstanceUid] = wayBack.study.study;
    return {
      kind: 'instance',
      ...stored,
      studyInstanceUid,
      seriesInstanceUid,
      sopInstanceUid,
      sopClassUid,
      transferSyntaxUid,
    };
  } finally {
    await source.close();
  }
}

/** @returns the rewritten header, parsed again: no UID that was given to the partner is left; else fixed words */
function restored(header: Part10Header, wayBack: WayBack, partner: string): Uint8Array | string {
  let bytes: Uint8Array;
  try {
    bytes = restoreHeader(header, wayBack, partner);
  } catch (error) {
    if (error instanceof HubError && error.code === 'return.refused') return String(error.fields['detail']);
    throw error;
  }
  const { root } = walk(bytes, encodingOf(requireTransferSyntax(header.transferSyntaxUid)));
  const isLeft = (item: typeof root): boolean =>
    item.elements.some(
      ({ vr, value, items }) =>
        (items ?? []).some(isLeft) ||
        (vr === 'UI' && uidValues(value).some((uid) => (wayBack.originals.get(uid) ?? uid) !== uid)),
    );
  return isLeft(root) ? 'a reference is left as it was' : bytes;
}

async function bodyWith(source: ByteSource, header: Part10Header, dataSet: Uint8Array, meta: Uint8Array) {
  const pixelDataEnd = await checkPixelData(source, header);
  return bodyOf({ source, header }, { meta, dataSet, pixelDataEnd, cleaned: UNTOUCHED });
}

/** Nothing of it goes on. */
function held(items: readonly InstanceItem[], refusals: readonly Refusal[]): ProcessorResult {
  const counts = new Map<string, number>();
  for (const { reason } of refusals) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = [...counts].map(([reason, count]) => `${reason} (${String(count)})`).join('; ');
  return {
    outcome: 'held',
    reason: 'return.refused',
    detail: `${String(refusals.length)} of ${String(items.length)} objects cannot be led back: ${reasons}`,
    sopInstanceUids: items.map(({ sopInstanceUid }) => sopInstanceUid),
  };
}
