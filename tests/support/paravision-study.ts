/**
 * ParaVision studies made here, for what no real data is at hand of: versions 6, 7 and 360, frame groups, orientations, word
 * types. They are what the manuals and real parameter files say, not what a scanner wrote.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A number, a word, a `<text>`, or a list of them in parentheses. */
type Value = number | string | readonly Value[];
export type Parameter =
  Value | { readonly size: readonly number[]; readonly values: readonly Value[]; readonly runs?: true };

export interface SyntheticGroup {
  readonly id: string;
  readonly length: number;
  /** Parameters with an element for each of the group's. */
  readonly dependents?: readonly string[];
}

export interface SyntheticScan {
  readonly number: number;
  readonly reconstruction?: number;
  /** Columns, rows, and planes of a 3D frame. */
  readonly size: readonly [number, number] | readonly [number, number, number];
  readonly spacingMm: readonly [number, number, number];
  readonly groups: readonly SyntheticGroup[];
  /** Rows: directions of columns, rows and planes. */
  readonly orientation?: readonly number[];
  readonly position?: readonly [number, number, number];
  readonly wordType?: '_8BIT_UNSGN_INT' | '_16BIT_SGN_INT' | '_32BIT_SGN_INT' | '_32BIT_FLOAT';
  readonly byteOrder?: 'littleEndian' | 'bigEndian';
  /** What is stored, by ParaVision frame and voxel. */
  readonly stored?: (frame: number, x: number, y: number, z: number) => number;
  readonly slopes?: (frame: number) => number;
  readonly offsets?: (frame: number) => number;
  readonly visu?: Readonly<Record<string, Parameter | undefined>>;
  readonly method?: Readonly<Record<string, Parameter>>;
}

export interface SyntheticStudy {
  readonly version: '5.1' | '6.0.1' | '7.0.0' | '360.3.6';
  readonly scans: readonly SyntheticScan[];
  readonly subjectType?: string;
  readonly position?: string;
  readonly subject?: Readonly<Record<string, Parameter>>;
}

const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const BYTES = { _8BIT_UNSGN_INT: 1, _16BIT_SGN_INT: 2, _32BIT_SGN_INT: 4, _32BIT_FLOAT: 4 } as const;
const STUDY_UID = '2.16.756.5.5.100.1384712661.24104.1500000000.1';
const SLICES = ['VisuCoreOrientation', 'VisuCorePosition'];

/** Writes the study folder. */
export async function writeStudy(folder: string, study: SyntheticStudy): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'subject'),
    jcamp(study.version, {
      SUBJECT_id: text('RAT-7', 60),
      SUBJECT_name_string: text('Planted^Name', 64),
      SUBJECT_study_name: text('imaging', 64),
      SUBJECT_study_instance_uid: text(STUDY_UID, 65),
      SUBJECT_study_nr: 1,
      SUBJECT_weight: 0.31,
      SUBJECT_sex_animal: 'FEMALE',
      ...(study.version === '5.1' ? {} : { SUBJECT_type: study.subjectType ?? 'Quadruped' }),
      ...study.subject,
    }),
  );
  for (const scan of study.scans) await writeScan(folder, study, scan);
}

async function writeScan(folder: string, study: SyntheticStudy, scan: SyntheticScan): Promise<void> {
  const { number, reconstruction = 1 } = scan;
  const inner = join(folder, String(number), 'pdata', String(reconstruction));
  await mkdir(inner, { recursive: true });
  const write = async (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content);
  const { version } = study;
  await write(`${number}/acqp`, jcamp(version, { ACQ_sw_version: text(`PV ${version}`, 65), NR: 1 }));
  await write(`${number}/method`, jcamp(version, { Method: '<Bruker:TEST>', ...scan.method }));
  await write(`${number}/fid`, 'raw data');
  await write(`${number}/pdata/${reconstruction}/reco`, jcamp(version, { RECO_mode: 'USER_MODE' }));
  await write(`${number}/pdata/${reconstruction}/visu_pars`, jcamp(version, visuOf(study, scan)));
  await write(`${number}/pdata/${reconstruction}/2dseq`, storedBytes(scan));
}

/** Where a voxel of a synthetic scan is, in the patient system. */
export function placeOf(scan: SyntheticScan, slice: number, x: number, y: number, z: number): readonly number[] {
  const rows = scan.orientation ?? IDENTITY;
  const [dx, dy, dz] = scan.spacingMm;
  const steps = [x * dx, y * dy, (slice + z) * dz];
  const start = scan.position ?? [0, 0, 0];
  return start.map((value, axis) => value + steps.reduce((sum, step, n) => sum + step * (rows[n * 3 + axis] ?? 0), 0));
}

export function framesOf({ groups }: SyntheticScan): number {
  return groups.reduce((product, { length }) => product * length, 1);
}

/** The default content: every voxel of every frame another one, as far as the word type goes. */
export function storedAt(scan: SyntheticScan, frame: number, x: number, y: number, z: number): number {
  const value = scan.stored?.(frame, x, y, z) ?? frame * 331 + z * 97 + y * 13 + x;
  return scan.wordType === '_8BIT_UNSGN_INT' ? value % 251 : value;
}

/** A file as ParaVision writes it. */
export function jcamp(version: string, parameters: Readonly<Record<string, Parameter | undefined>>): string {
  const title = version === '5.1' ? 'Parameter List' : `Parameter List, ParaVision ${version}`;
  const lines = [
    `##TITLE=${title}`,
    '##JCAMPDX=4.24',
    '##DATATYPE=Parameter Values',
    '##ORIGIN=Bruker BioSpin MRI GmbH',
  ];
  lines.push('##OWNER=nmr', '$$ 2020-01-02 03:04:05.678 +0200  nmr@console', '$$ /opt/PV/data/study/subject');
  for (const [name, parameter] of Object.entries(parameters)) {
    if (parameter === undefined) continue;
    if (typeof parameter === 'object' && 'size' in parameter) {
      lines.push(`##$${name}=( ${parameter.size.join(', ')} )`, ...wrapped(listText(parameter)));
    } else lines.push(...wrapped(`##$${name}=${valueText(parameter)}`));
  }
  return [...lines, '$$ @vis= something', '##END=', ''].join('\n');
}

export function text(value: string, length: number): Parameter {
  return { size: [length], values: [`<${value}>`] };
}

export function list(values: readonly Value[], ...size: readonly number[]): Parameter {
  return { size: size.length === 0 ? [values.length] : size, values };
}

function visuOf(study: SyntheticStudy, scan: SyntheticScan): Readonly<Record<string, Parameter | undefined>> {
  const { version, subjectType = 'Quadruped', position = 'Head_Prone' } = study;
  const { number, reconstruction = 1, size, groups } = scan;
  const spacingMm: readonly number[] = scan.spacingMm;
  const frames = framesOf(scan);
  const slices = groups.find(({ id }) => id === 'FG_SLICE')?.length ?? 1;
  const is3d = size.length === 3;
  const all = groups.map((group) => ({
    ...group,
    dependents: group.id === 'FG_SLICE' ? [...SLICES, ...(group.dependents ?? [])] : (group.dependents ?? []),
  }));
  const starts = all.map((_, n) => all.slice(0, n).reduce((sum, { dependents }) => sum + dependents.length, 0));
  const rows = scan.orientation ?? IDENTITY;
  const perFrame = (of: ((frame: number) => number) | undefined, otherwise: number): Parameter => {
    const values = Array.from({ length: frames }, (_, frame) => of?.(frame) ?? otherwise);
    return { size: [frames], values, ...(version.startsWith('360') ? { runs: true } : {}) };
  };
  const isOld = version === '5.1';
  return {
    VisuVersion: isOld ? 1 : version.startsWith('360') ? 8 : 3,
    VisuUid: text(`2.16.756.5.5.100.1384712661.24104.1500000000.${100 * number + reconstruction}`, 65),
    VisuCreator: text('ParaVision', 65),
    VisuCreatorVersion: text(version, 65),
    VisuCoreFrameCount: frames,
    VisuCoreDim: size.length,
    VisuCoreSize: list([...size]),
    VisuCoreDimDesc: list(size.map(() => 'spatial')),
    VisuCoreExtent: list(size.map((length, axis) => length * (spacingMm[axis] ?? 1))),
    VisuCoreFrameThickness: list([is3d ? size[2] * scan.spacingMm[2] : scan.spacingMm[2] * 0.75]),
    VisuCoreUnits: list(
      size.map(() => '<mm>'),
      size.length,
      65,
    ),
    VisuCoreOrientation: { size: [slices, 9], values: Array.from({ length: slices }, () => rows).flat() },
    VisuCorePosition: {
      size: [slices, 3],
      values: Array.from({ length: slices }, (_, slice) => placeOf(scan, slice, 0, 0, 0)).flat(),
    },
    VisuCoreDataOffs: perFrame(scan.offsets, 0),
    VisuCoreDataSlope: perFrame(scan.slopes, 1),
    VisuCoreFrameType: isOld ? 'MAGNITUDE_IMAGE' : list(['MAGNITUDE_IMAGE']),
    VisuCoreWordType: scan.wordType ?? '_16BIT_SGN_INT',
    VisuCoreByteOrder: scan.byteOrder ?? 'littleEndian',
    ...(groups.length === 0
      ? {}
      : {
          VisuFGOrderDescDim: groups.length,
          VisuFGOrderDesc: list(
            all.map(({ id, length, dependents }, n) => [length, `<${id}>`, '<>', starts[n] ?? 0, dependents.length]),
          ),
          VisuGroupDepVals: list(all.flatMap(({ dependents }) => dependents.map((name) => [`<${name}>`, 0]))),
        }),
    VisuSubjectName: text('Planted^Name', 65),
    VisuSubjectId: text('RAT-7', 65),
    ...(isOld ? {} : { VisuSubjectType: subjectType }),
    VisuSubjectSex: 'FEMALE',
    VisuSubjectWeight: 0.31,
    VisuStudyUid: text(STUDY_UID, 65),
    VisuStudyDate: isOld ? text('03:04:05 2 Jan 2020', 21) : '<2020-01-02T03:04:05,678+0200>',
    VisuStudyId: text('imaging', 65),
    VisuSubjectPosition: position,
    ...(isOld
      ? { VisuSeriesNumber: number * 65_536 + reconstruction }
      : { VisuExperimentNumber: number, VisuProcessingNumber: reconstruction }),
    VisuStation: text('BioSpec 94/20', 65),
    VisuAcqDate: isOld ? text('03:10:05 2 Jan 2020', 21) : '<2020-01-02T03:10:05,678+0200>',
    VisuAcqSequenceName: text('Bruker:TEST', 40),
    VisuAcqImagingFrequency: 400.33,
    VisuAcqImagedNucleus: text('1H', 8),
    VisuAcqRepetitionTime: list([1500]),
    VisuAcqEchoTime: list([12.5]),
    VisuAcqFlipAngle: 90,
    VisuAcqScanTime: 60_000,
    VisuAcquisitionProtocol: text('a protocol', 65),
    ...scan.visu,
  };
}

function storedBytes(scan: SyntheticScan): Uint8Array {
  const [columns, rows, planes = 1] = scan.size;
  const type = scan.wordType ?? '_16BIT_SGN_INT';
  const isLittle = scan.byteOrder !== 'bigEndian';
  const size = BYTES[type];
  const bytes = new Uint8Array(framesOf(scan) * planes * rows * columns * size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let frame = 0; frame < framesOf(scan); frame++)
    for (let z = 0; z < planes; z++)
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < columns; x++, at += size) {
          const value = storedAt(scan, frame, x, y, z);
          if (size === 1) view.setUint8(at, value);
          else if (size === 2) view.setInt16(at, value, isLittle);
          else if (type === '_32BIT_FLOAT') view.setFloat32(at, value, isLittle);
          else view.setInt32(at, value, isLittle);
        }
  return bytes;
}

function listText({ values, runs }: Extract<Parameter, { readonly size: readonly number[] }>): string {
  if (runs !== true) return values.map(valueText).join(' ');
  const words: string[] = [];
  for (let start = 0; start < values.length;) {
    let end = start + 1;
    while (end < values.length && values[end] === values[start]) end += 1;
    const word = valueText(values[start] ?? 0);
    words.push(end - start > 1 ? `@${end - start}*(${word})` : word);
    start = end;
  }
  return words.join(' ');
}

function valueText(value: Value): string {
  return typeof value === 'object' ? `(${value.map(valueText).join(', ')})` : String(value);
}

/** Lines end after some eighty characters, at a space outside of texts. */
function wrapped(line: string): readonly string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > 78 && !rest.includes('<')) {
    const space = rest.lastIndexOf(' ', 78);
    if (space <= 0) break;
    lines.push(rest.slice(0, space + 1));
    rest = rest.slice(space + 1);
  }
  return [...lines, rest];
}
