/** Everything a segmentation is given out as, scan by scan and then for the study. Which of it, a step's `outputs` say. */
import { encode } from 'fast-png';
import type { DataSet } from '../../core/dicom/data-set.ts';
import type { SegmentOutput } from '../segment/outputs.ts';
import type { Volume } from '../volumes/volume.ts';
import { bidsDescription, type BidsFile, bidsFiles } from './bids.ts';
import { encapsulatedPdf } from './encapsulated-pdf.ts';
import { outlined } from './outlines.ts';
import { labelLines, overviewPage, type PageLine } from './overview-page.ts';
import type { SaidOfQuality } from './other-steps.ts';
import { reportPdf, type ReportScan } from './report-pages.ts';
import { byModel, type HubIdentity, type ModelIdentity, type ResultObject } from './result-object.ts';
import { scanTitle, studyDate, VERDICT_MARKS } from './scan-title.ts';
import { secondaryCapture } from './secondary-capture.ts';
import { type SegmentMask, type SegmentationObject, segmentationObject } from './segmentation.ts';
import { type MeasuredLabel, type ReliabilityOfMask, type SegmentedScan, volumeReport } from './volume-report.ts';

/** `seg`: Segmentation, `sr`: volumes as a structured report, `sc`: a page of pixels, `pdf`: a report, `nifti`: BIDS derivatives. */
export interface SegmentOrder {
  readonly model: ModelIdentity & { readonly manifestSha256?: string };
  readonly hub: HubIdentity;
  readonly outputs: readonly SegmentOutput[];
  /** As `subjectLabel` gives it. */
  readonly subject: (header: DataSet) => string;
  /** By series: what quality control said before. */
  readonly quality: ReadonlyMap<string, SaidOfQuality>;
}

/** A mask that is to be given out; it has a voxel. */
export interface NewScan {
  readonly volume: Volume;
  readonly labels: readonly (SegmentMask & MeasuredLabel & { readonly voxels: number })[];
  readonly mask: Uint8Array;
  readonly labelMap: Uint8Array;
  readonly reliability: ReliabilityOfMask;
}

export interface ScanResults {
  /** Absent for a volume that was not read from DICOM. */
  readonly segmentation?: SegmentationObject;
  readonly capture?: ResultObject;
  /** Below the data set's folder. */
  readonly files: readonly BidsFile[];
}

export interface StudyResults {
  readonly report?: ResultObject;
  readonly document?: ResultObject;
  readonly pdf?: Uint8Array;
  readonly files: readonly BidsFile[];
}

/** Of one study and one release. */
export class SegmentResults {
  readonly #order: SegmentOrder;
  readonly #scans: SegmentedScan[] = [];
  readonly #told: ReportScan[] = [];
  readonly #heads: Pick<Volume, 'header' | 'slices'>[] = [];
  #run = 0;

  constructor(order: SegmentOrder) {
    this.#order = order;
  }

  async add(scan: NewScan): Promise<ScanResults> {
    const { model, hub, outputs, subject } = this.#order;
    const { volume, labels, reliability } = scan;
    const isDicom = volume.slices.length > 0;
    this.#run += 1;
    const segmentation = isDicom ? segmentationObject(volume, labels, model, hub) : undefined;
    if (segmentation !== undefined)
      this.#scans.push({ volume: withoutVoxels(volume), object: segmentation, labels, reliability });
    this.#heads.push({ header: volume.header, slices: volume.slices });
    const isDrawn = outputs.includes('pdf') || (isDicom && outputs.includes('sc'));
    const sheet = isDrawn
      ? outlined(
          volume,
          labels.map(({ mask, label }) => ({ mask, rgb: label.rgb })),
        )
      : undefined;
    if (sheet !== undefined && outputs.includes('pdf'))
      this.#told.push({
        ...this.#tell(scan),
        picture: { ...sheet, png: encode({ ...sheet, channels: 3, depth: 8 }) },
      });
    const page =
      sheet !== undefined && isDicom && outputs.includes('sc')
        ? overviewPage(sheet, { title: `${this.#title}, ${scanTitle(volume)}`, lines: linesOf(scan) })
        : undefined;
    return {
      ...(segmentation === undefined ? {} : { segmentation }),
      ...(page === undefined
        ? {}
        : {
            capture: secondaryCapture(
              {
                page,
                header: volume.header,
                sources: volume.slices,
                seriesDescription: `AI: ${model.name} overview`,
                identity: [model.name, model.onnx.sha256],
                serial: model.onnx.sha256,
                contribution: byModel(model),
                derivation: `Contact sheet with outlines of what ${model.name} ${model.version} found. Not for diagnosis.`,
              },
              hub,
            ),
          }),
      files: outputs.includes('nifti')
        ? await bidsFiles({ ...scan, run: this.#run, subject: subject(volume.header) }, model)
        : [],
    };
  }

  /** Once all scans are added. */
  async finish(): Promise<StudyResults> {
    const { model, hub, outputs } = this.#order;
    const [first, ...others] = this.#scans;
    const pdf = outputs.includes('pdf') && this.#told.length > 0 ? await this.#pdf() : undefined;
    const head = first?.volume.header;
    return {
      ...(first !== undefined && outputs.includes('sr')
        ? { report: volumeReport([first, ...others], model, hub) }
        : {}),
      ...(pdf === undefined ? {} : { pdf }),
      ...(pdf === undefined || head === undefined
        ? {}
        : {
            document: encapsulatedPdf(
              {
                pdf,
                header: head,
                title: this.#title,
                sources: this.#heads.flatMap(({ slices }) => slices),
                seriesDescription: `AI: ${model.name} report`,
                identity: [model.name, model.onnx.sha256],
                serial: model.onnx.sha256,
                contribution: byModel(model),
              },
              hub,
            ),
          }),
      files: outputs.includes('nifti') && this.#run > 0 ? [bidsDescription(model, hub)] : [],
    };
  }

  get #title(): string {
    return `AI: ${this.#order.model.name} ${this.#order.model.version}`;
  }

  async #pdf(): Promise<Uint8Array> {
    const { model, hub } = this.#order;
    const header = this.#heads[0]?.header;
    const study = header?.string('StudyInstanceUID');
    return await reportPdf({
      title: this.#title,
      date: studyDate(header),
      facts: [
        ...(study === undefined ? [] : [['Study Instance UID', study] as const]),
        ['Model', `${model.name} ${model.version}`],
        ['ONNX SHA-256', model.onnx.sha256],
        ['Made by', `${hub.name} ${hub.version}`],
      ],
      scans: this.#told,
    });
  }

  #tell({ volume, labels, reliability }: NewScan): ReportScan {
    const quality = this.#order.quality.get(volume.seriesInstanceUid);
    const isReliable = reliability.verdict === 'reliable';
    return {
      title: scanTitle(volume),
      mark: { text: `mask ${reliability.verdict}`, tone: isReliable ? 'good' : 'doubtful' },
      rows: [
        ...labels.filter(({ voxels }) => voxels > 0).map((label) => [label.label.name, amountOf(label)] as const),
        ...(quality === undefined ? [] : [['Quality control', VERDICT_MARKS[quality.verdict].text] as const]),
      ],
      remarks: [
        ...reliability.reasons.map((reason) => `Mask unreliable: ${reason}`),
        ...(quality?.findings ?? []).map((finding) => `Quality control: ${finding}`),
      ],
    };
  }
}

/** Reports need the header and what it was made from; a study's voxels must not wait for them. */
function withoutVoxels(volume: Volume): Volume {
  return { ...volume, data: new Float32Array(0) };
}

function amountOf({ volumeMm3, voxels, confidence }: NewScan['labels'][number]): string {
  return `${volumeMm3.toFixed(1)} mm³ (${String(voxels)} voxels), mean probability ${confidence.toFixed(2)}`;
}

function linesOf({ labels, reliability }: NewScan): readonly PageLine[] {
  return [
    ...labelLines(
      labels.map((each) => ({
        text: `${each.label.name}: ${each.voxels === 0 ? 'not found' : amountOf(each)}`,
        rgb: each.label.rgb,
      })),
    ),
    ...(reliability.verdict === 'reliable' ? [{ text: 'Mask reliable.' }] : []),
    ...reliability.reasons.map((reason) => ({ text: `Mask unreliable: ${reason}` })),
  ];
}
