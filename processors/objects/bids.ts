/**
 * Masks and label maps in the layout of BIDS derivatives: NIfTI on the grid of the scan, what each number means, and what
 * it was made from by which model. Subjects are pseudonyms, always; no name and no date is in any file or its name.
 */
import { createHmac } from 'node:crypto';
import type { DataSet } from '../../core/dicom/data-set.ts';
import { maskNifti } from '../segment/mask-nifti.ts';
import type { Volume, VolumeKind } from '../volumes/volume.ts';
import type { HubIdentity, ModelIdentity } from './result-object.ts';
import type { ResultLabel, SegmentMask } from './segmentation.ts';
import type { MeasuredLabel, ReliabilityOfMask } from './volume-report.ts';

const BIDS_VERSION = '1.10.0';
/** SCT: Brain. */
const BRAIN = '12738006';
const FOLDERS: Readonly<Record<VolumeKind, string>> = {
  anatomical: 'anat',
  mapping: 'anat',
  diffusion: 'dwi',
  functional: 'func',
  phantom: 'anat',
  unknown: 'anat',
};

/** A file of the data set. */
export interface BidsFile {
  /** Below the data set's folder. */
  readonly path: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export interface BidsScan {
  readonly volume: Volume;
  /** From 1: tells the study's scans apart. */
  readonly run: number;
  /** As `subjectLabel` gave it. */
  readonly subject: string;
  /** 0 and 1 on the volume's grid: what belongs to any label. */
  readonly mask: Uint8Array;
  /** Each voxel's label by its index. */
  readonly labelMap: Uint8Array;
  readonly labels: readonly (SegmentMask & MeasuredLabel)[];
  readonly reliability: ReliabilityOfMask;
}

/**
 * The pseudonym the study has, else one of ours: it follows from the Patient ID and cannot be led back without the key.
 *
 * @param key - kept in the hub; the same Patient ID has the same label in all studies
 */
export function subjectLabel(header: DataSet, key: Uint8Array): string {
  const id = header.string('PatientID') ?? header.string('StudyInstanceUID') ?? '';
  return pseudonymOf(header) ?? createHmac('sha256', key).update(id).digest('hex').slice(0, 12);
}

/** Of a study whose identity was removed, as letters and digits. */
export function pseudonymOf(header: DataSet): string | undefined {
  if (header.string('PatientIdentityRemoved') !== 'YES') return undefined;
  const label = (header.string('PatientID') ?? '').replaceAll(/[^A-Za-z0-9]/g, '').slice(0, 40);
  return label === '' ? undefined : label;
}

export async function bidsFiles(
  scan: BidsScan,
  model: ModelIdentity & { readonly manifestSha256?: string },
): Promise<readonly BidsFile[]> {
  const { volume, run, subject, labels } = scan;
  const stem = `sub-${subject}/${FOLDERS[volume.kind]}/sub-${subject}_run-${String(run)}`;
  const mask = `${stem}_desc-${wholeName(labels.map(({ label }) => label))}_mask`;
  const segmentation = `${stem}_desc-${alphanumeric(model.name)}_dseg`;
  const isBrain = labels.some(({ label }) => label.type.code === BRAIN);
  const made = {
    // A volume that was not read from DICOM is known by nothing but its place.
    ...(volume.slices.length === 0 ? {} : { Sources: [`urn:oid:${volume.seriesInstanceUid}`] }),
    ModelName: model.name,
    ModelVersion: model.version,
    ModelSha256: model.onnx.sha256,
    ...(model.manifestSha256 === undefined ? {} : { ManifestSha256: model.manifestSha256 }),
    Reliability: scan.reliability.verdict,
    ReliabilityReasons: scan.reliability.reasons,
  };
  return [
    nifti(`${mask}.nii.gz`, await maskNifti(volume, scan.mask)),
    json(`${mask}.json`, { Type: isBrain ? 'Brain' : 'ROI', ...made }),
    nifti(`${segmentation}.nii.gz`, await maskNifti(volume, scan.labelMap)),
    json(`${segmentation}.json`, {
      ...made,
      Segments: labels.map(({ label, volumeMm3, confidence }) => ({
        index: label.index,
        name: label.name,
        type: `${label.type.scheme}:${label.type.code}`,
        volumeMm3,
        confidence,
      })),
    }),
    { path: `${segmentation}.tsv`, mediaType: 'text/tab-separated-values', bytes: Buffer.from(table(labels)) },
  ];
}

/** Once for the data set. */
export function bidsDescription(model: ModelIdentity, hub: HubIdentity): BidsFile {
  return json('dataset_description.json', {
    Name: `Segmentations by ${model.name}`,
    BIDSVersion: BIDS_VERSION,
    DatasetType: 'derivative',
    GeneratedBy: [
      { Name: hub.name, Version: hub.version },
      { Name: model.name, Version: model.version, Description: `ONNX SHA-256 ${model.onnx.sha256}` },
    ],
  });
}

/** What all labels together are. */
function wholeName(labels: readonly ResultLabel[]): string {
  if (labels.some(({ type }) => type.code === BRAIN)) return 'brain';
  const [only] = labels;
  return labels.length === 1 && only !== undefined ? alphanumeric(only.name).toLowerCase() : 'all';
}

/** BIDS: labels in names of files are letters and digits. */
function alphanumeric(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9]/g, '') || 'x';
}

function table(labels: readonly { readonly label: ResultLabel }[]): string {
  const rows = labels.map(({ label: { index, name, rgb } }) => {
    const colour = `#${rgb.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
    return `${String(index)}\t${name.replaceAll(/\s+/g, ' ')}\t${colour}\n`;
  });
  return `index\tname\tcolor\n${rows.join('')}`;
}

function nifti(path: string, bytes: Uint8Array): BidsFile {
  return { path, mediaType: 'application/gzip', bytes };
}

function json(path: string, value: unknown): BidsFile {
  return { path, mediaType: 'application/json', bytes: Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`) };
}
