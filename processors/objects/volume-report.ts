/** Volumes of segments as a structured report: a group of TID 1411 for each segment, with what made it and how sure it was. */
import type { Volume } from '../volumes/volume.ts';
import { type Code, dcm, own, sct, ucum } from './codes.ts';
import { coded, type ContentItem, image, numeric, text, uidReference } from './content-items.ts';
import { algorithm, type Evidence, measurementGroup, measurementReport } from './measurement-report.ts';
import { byModel, type HubIdentity, type ModelIdentity, type ResultObject } from './result-object.ts';
import {
  ARTIFICIAL_INTELLIGENCE,
  categoryOf,
  type ResultLabel,
  type SegmentationObject,
  typeOf,
} from './segmentation.ts';

/** One volume with its Segmentation. */
export interface SegmentedScan {
  readonly volume: Volume;
  readonly object: SegmentationObject;
  readonly labels: readonly MeasuredLabel[];
  readonly reliability: ReliabilityOfMask;
}

export interface MeasuredLabel {
  readonly label: ResultLabel;
  readonly volumeMm3: number;
  /** Mean probability inside, 0 … 1. */
  readonly confidence: number;
}

export interface ReliabilityOfMask {
  readonly verdict: 'reliable' | 'unreliable';
  readonly reasons: readonly string[];
}

const VOLUME = sct('118565006', 'Volume');
const CUBIC_MM = ucum('mm3', 'cubic millimeter');
const RATIO = ucum('1', 'no units');
const CONFIDENCE = own('confidence', 'Mean probability inside of the segment');
const RELIABILITY = own('reliability', 'Reliability of the mask');
const VERDICTS: Readonly<Record<ReliabilityOfMask['verdict'], Code>> = {
  reliable: own('reliable', 'Reliable'),
  unreliable: own('unreliable', 'Unreliable'),
};

/** @param scans - of one study and release, at least one */
export function volumeReport(
  scans: readonly [SegmentedScan, ...SegmentedScan[]],
  model: ModelIdentity & { readonly manifestSha256?: string },
  hub: HubIdentity,
): ResultObject {
  const { header } = scans[0].volume;
  return measurementReport(
    {
      header,
      seriesDescription: `AI: ${model.name} volumes`,
      seriesNumber: 2001,
      identity: ['volumes', model.name, model.onnx.sha256],
      serial: model.onnx.sha256,
      contribution: byModel(model),
      groups: scans.flatMap((scan) => groupsOf(scan, model)),
      evidence: evidenceOf(scans),
    },
    hub,
  );
}

function groupsOf(
  { volume, object, labels, reliability }: SegmentedScan,
  model: Parameters<typeof volumeReport>[1],
): readonly ContentItem[] {
  return object.segments.flatMap(({ label, number, trackingUid }): ContentItem[] => {
    const measured = labels.find((each) => each.label.index === label.index);
    if (measured === undefined) return [];
    return [
      measurementGroup('1411', { id: label.name, uid: trackingUid }, [
        coded('CONTAINS', sct('276214006', 'Finding category'), categoryOf(label)),
        coded('CONTAINS', dcm('121071', 'Finding'), typeOf(label)),
        image('CONTAINS', dcm('121191', 'Referenced Segment'), object, number),
        uidReference('CONTAINS', dcm('121232', 'Source series for segmentation'), volume.seriesInstanceUid),
        ...algorithm(model.name, model.version, digests(model), ARTIFICIAL_INTELLIGENCE),
        numeric('CONTAINS', VOLUME, measured.volumeMm3, CUBIC_MM),
        numeric('CONTAINS', CONFIDENCE, measured.confidence, RATIO),
        coded('CONTAINS', RELIABILITY, VERDICTS[reliability.verdict]),
        ...reliability.reasons.map((reason) => text('CONTAINS', dcm('121106', 'Comment'), reason)),
      ]),
    ];
  });
}

function digests({ onnx, manifestSha256 }: Parameters<typeof volumeReport>[1]): readonly string[] {
  return [
    `ONNX SHA-256 ${onnx.sha256}`,
    ...(manifestSha256 === undefined ? [] : [`Manifest SHA-256 ${manifestSha256}`]),
  ];
}

/** The Segmentations and what they were made from. */
function evidenceOf(scans: readonly SegmentedScan[]): readonly Evidence[] {
  const all = scans.flatMap(({ volume, object }): Evidence[] => [
    { seriesInstanceUid: object.seriesInstanceUid, instances: [object] },
    { seriesInstanceUid: volume.seriesInstanceUid, instances: volume.slices },
  ]);
  return [...Map.groupBy(all, ({ seriesInstanceUid }) => seriesInstanceUid)].map(([seriesInstanceUid, same]) => ({
    seriesInstanceUid,
    instances: same.flatMap(({ instances }) => instances),
  }));
}
