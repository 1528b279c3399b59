/**
 * ParaVision 5 wrote reconstructions without `visu_pars`. What those would say is put together from `acqp`, `method` and
 * `reco`: pictures run against the gradients, the middle of the field of view is voxel N/2, and the console's axes
 * (L→R, P→A, F→H) become those of a patient. The rules were held against studies that have both.
 */
import { HubError } from '../core/errors.ts';
import type { JcampFile, JcampValue } from './jcamp.ts';
import { Parameters } from './parameters.ts';
import { versionOf } from './study.ts';
import { along, cross, type Vector, vectorAt } from './vectors.ts';

const CM = 10;

/** @throws {HubError} `paravision.*` when it cannot be told */
export function visuFrom(acqp: JcampFile, method: JcampFile | undefined, reco: JcampFile): JcampFile {
  const parameters = new Parameters([reco, acqp, ...(method === undefined ? [] : [method])]);
  if (versionOf(parameters).startsWith('360'))
    throw new HubError('paravision.incomplete', { reason: 'visu_pars is missing' });
  const size = numbers(parameters, 'RECO_size');
  if (size.length !== 2)
    // Which way the third axis of a volume runs stands nowhere else.
    throw new HubError('paravision.unsupported', { reason: 'a 3D reconstruction without visu_pars' });
  const fov = numbers(parameters, 'RECO_fov').map((cm) => cm * CM);
  const slices = count(parameters, 'NSLICES');
  const objects = count(parameters, 'NI');
  const repetitions = count(parameters, 'NR');
  const groups = groupsOf(parameters, slices, objects, repetitions);
  const transpositions = parameters.numbers('RECO_transposition') ?? [0];
  const echoes = parameters.number('ACQ_n_echo_images') ?? 1;
  const planes = Array.from({ length: slices }, (_, slice) =>
    planeOf(parameters, { slice, object: slice * echoes, objects, size, fov }, transpositions),
  );
  const scales = parameters.numbers('RECO_map_slope') ?? [1];
  const values: Record<string, readonly JcampValue[]> = {
    VisuCoreFrameCount: [objects * repetitions],
    VisuCoreDim: [2],
    VisuCoreSize: size,
    VisuCoreExtent: fov,
    VisuCoreDimDesc: ['spatial', 'spatial'],
    VisuCoreFrameThickness: numbers(parameters, 'ACQ_slice_thick'),
    VisuCoreOrientation: planes.flatMap(({ x, y }) => [...x, ...y, ...cross(x, y)].map(withoutSign)),
    VisuCorePosition: planes.flatMap(({ position }) => position.map(withoutSign)),
    // y = (x − offset) × slope: the slope of reco is the other one's inverse.
    VisuCoreDataSlope: scales.map((slope) => 1 / slope),
    VisuCoreDataOffs: parameters.numbers('RECO_map_offset') ?? [0],
    VisuCoreFrameType: [parameters.text('RECO_image_type') ?? 'MAGNITUDE_IMAGE'],
    VisuCoreWordType: [parameters.text('RECO_wordtype') ?? ''],
    VisuCoreByteOrder: [parameters.text('RECO_byte_order') ?? 'littleEndian'],
    VisuCoreTransposition: transpositions.slice(0, 1),
    VisuFGOrderDesc: groups.map(({ id, length, start, dependents }) => [length, id, '', start, dependents.length]),
    VisuGroupDepVals: groups.flatMap(({ dependents }) => dependents.map((name) => [name, 0])),
  };
  const base = parameters.text('RECO_base_image_uid');
  if (base !== undefined) values['VisuUid'] = [base];
  return {
    name: reco.name,
    parameters: new Map(Object.entries(values).map(([name, list]) => [name, { line: 1, values: list }])),
  };
}

interface Group {
  readonly id: string;
  readonly length: number;
  readonly start: number;
  readonly dependents: readonly string[];
}

/** Echoes run fastest, then slices, then what the method repeats, then repetitions. */
function groupsOf(parameters: Parameters, slices: number, objects: number, repetitions: number): readonly Group[] {
  const echoes = parameters.number('ACQ_n_echo_images') ?? 1;
  const movie = parameters.number('ACQ_n_movie_frames') ?? 1;
  const rest = objects / (slices * echoes * movie);
  if (!Number.isInteger(rest))
    throw new HubError('paravision.mismatch', { reason: 'its objects are not slices times echoes' });
  const isDiffusion = parameters.number('PVM_DwNDiffExp') === rest && rest > 1;
  const groups: Group[] = [];
  const add = (id: string, length: number, dependents: readonly string[] = []) => {
    if (length <= 1 && id !== 'FG_SLICE') return;
    const start = groups.reduce((sum, group) => sum + group.dependents.length, 0);
    groups.push({ id, length, start, dependents });
  };
  add('FG_ECHO', echoes, parameters.numbers('ACQ_echo_time')?.length === echoes ? ['ACQ_echo_time'] : []);
  add('FG_SLICE', slices, ['VisuCoreOrientation', 'VisuCorePosition']);
  add('FG_MOVIE', movie);
  add(isDiffusion ? 'FG_DIFFUSION' : 'FG_CYCLE', rest);
  add('FG_CYCLE', repetitions);
  return groups;
}

interface Slice {
  readonly slice: number;
  readonly object: number;
  readonly objects: number;
  readonly size: readonly number[];
  readonly fov: readonly number[];
}

function planeOf(parameters: Parameters, slice: Slice, transpositions: readonly number[]) {
  const { size, fov } = slice;
  const matrices = numbers(parameters, 'ACQ_grad_matrix');
  const at = 9 * matrixPlace(parameters, slice, matrices);
  const [read, phase, normal] = [0, 3, 6].map((row) => toPatient(vectorAt(matrices, at + row)));
  const offsets = ['ACQ_read_offset', 'ACQ_phase1_offset', 'ACQ_slice_offset'].map((name) => {
    const list = numbers(parameters, name);
    return list[place(slice, list.length)] ?? 0;
  });
  let centre: Vector = [0, 0, 0];
  [read, phase, normal].forEach((axis, n) => {
    centre = along(centre, axis ?? [0, 0, 0], offsets[n] ?? 0);
  });
  const x = negative(read ?? [0, 0, 0]);
  const y = negative(phase ?? [0, 0, 0]);
  const [columns = 1, rows = 1] = size;
  const [width = 0, height = 0] = fov;
  const isTransposed = (transpositions[place(slice, transpositions.length)] ?? 0) === 1;
  if (isTransposed && columns !== rows)
    throw new HubError('paravision.unsupported', { reason: 'transposed pictures without visu_pars' });
  const halfRead = (Math.floor(columns / 2) * width) / columns;
  const halfPhase = (Math.floor(rows / 2) * height) / rows;
  const position = along(along(centre, x, -halfRead), y, -halfPhase);
  return isTransposed ? { position, x: y, y: x } : { position, x, y };
}

/**
 * Since ParaVision 6 the matrices stand in the order the objects were acquired in (ACQ_obj_order), everything else in that
 * of the slices. Of version 5 nobody knows, which matters only where they differ.
 */
function matrixPlace(parameters: Parameters, slice: Slice, matrices: readonly number[]): number {
  const at = place(slice, matrices.length / 9);
  const order = parameters.numbers('ACQ_obj_order') ?? [];
  const acquired = order.indexOf(at);
  const areEqual = matrices.every((value, n) => Math.abs(value - (matrices[n % 9] ?? 0)) < 1e-9);
  if (areEqual || acquired < 0 || order.length !== matrices.length / 9 || order.every((object, n) => object === n))
    return at;
  if (versionOf(parameters).startsWith('5'))
    throw new HubError('paravision.unsupported', { reason: 'slices of several directions without visu_pars' });
  return acquired;
}

/** Lists have an entry a slice, an object, or one for all. */
function place({ slice, object, objects }: Slice, length: number): number {
  return length === 1 ? 0 : length === objects ? object : slice;
}

function toPatient([x, y, z]: Vector): Vector {
  return [0 - x, 0 - y, z + 0];
}

function negative([x, y, z]: Vector): Vector {
  return [0 - x, 0 - y, 0 - z];
}

/** Zero has none. */
function withoutSign(value: number): number {
  return value + 0;
}

function numbers(parameters: Parameters, name: string): readonly number[] {
  const list = parameters.numbers(name);
  if (list === undefined)
    throw new HubError('paravision.incomplete', { reason: `neither visu_pars nor ${name} is there` });
  return list;
}

function count(parameters: Parameters, name: string): number {
  const [value = 0] = numbers(parameters, name);
  if (!Number.isInteger(value) || value < 1) throw parameters.wrong(name, `${name} is not a number of images`);
  return value;
}
