/** Writes down the measures that need a mask: of the head always, of tissues only within a brain mask. */
import type { Scan } from './scan.ts';
import { mean } from './statistics.ts';
import {
  biasOf,
  cutFraction,
  edgeFraction,
  foregroundToBackground,
  ghostOfMask,
  highest,
  smoothness,
  snrDietrich,
  snrInside,
} from './structure.ts';
import {
  contrastToNoise,
  jointVariation,
  residualPartialVolume,
  tissuesOf,
  volumeFraction,
  whiteToMaximum,
} from './tissue.ts';

/** A mask of less has no statistics. */
const MIN_VOXELS = 100;
const MIN_AIR = 500;

export function measureStructure(scan: Scan): void {
  const { volume, first, regions, sheet } = scan;
  const { mask, maskRuns, maskVoxels, airVoxels, airValues, head, maskKind } = regions;
  const noObject = 'no object was found in the picture';
  const noAir = 'there is not enough air around the object';
  const isFound = maskVoxels >= MIN_VOXELS;
  const within = <Value>(compute: () => Value): Value | undefined => (isFound ? compute() : undefined);
  sheet.set(
    'snr',
    within(() => snrInside(regions)),
    noObject,
  );
  sheet.set('snrd', isFound && airVoxels >= MIN_AIR ? snrDietrich(regions) : undefined, noAir);
  sheet.set(
    'fber',
    within(() => foregroundToBackground(first, regions)),
    noObject,
  );
  sheet.set(
    'gsr_x',
    within(() => ghostOfMask(first, regions, 0)),
    'the mask leaves no background',
  );
  sheet.set(
    'gsr_y',
    within(() => ghostOfMask(first, regions, 1)),
    'the mask leaves no background',
  );
  const [x, y, z] = within(() => smoothness(first, mask, maskRuns)) ?? [];
  sheet.set('fwhm_x', x, 'neighbours are as unlike as strangers');
  sheet.set('fwhm_y', y, 'neighbours are as unlike as strangers');
  sheet.set('fwhm_z', z, 'neighbouring slices are as unlike as strangers, or there is one slice');
  const widths = [x, y, z].filter((width) => width !== undefined && Number.isFinite(width));
  sheet.set('fwhm_avg', widths.length === 0 ? undefined : mean(widths.map(Number)), 'no axis has one');
  const bias = within(() => biasOf(first, maskRuns));
  sheet.set('inu_med', bias?.median, noObject);
  sheet.set('inu_range', bias?.range, noObject);
  sheet.set(
    'fov_cut_fraction',
    within(() => cutFraction(head, first.dims, throughAxis(volume.spacingMm))),
    noObject,
  );

  const isBrain = maskKind === 'brain';
  const noBrain = 'there is no brain mask';
  const [sx, sy, sz] = volume.spacingMm;
  sheet.set('brain_volume_mm3', isBrain ? maskVoxels * sx * sy * sz : undefined, noBrain);
  sheet.set('brain_edge_fraction', isBrain ? edgeFraction(mask, first.dims) : undefined, noBrain);
  const tissues = tissuesOf(regions, volume.echoTimeMs ?? volume.header.number('EchoTime'));
  const white = tissues?.classes[tissues.whiteMatter];
  const grey = tissues?.classes[tissues.greyMatter];
  const noise = airVoxels >= MIN_AIR ? airValues : undefined;
  const hasBoth = white !== undefined && grey !== undefined && Math.min(white.length, grey.length) >= MIN_VOXELS;
  sheet.set(
    'cnr',
    hasBoth && noise !== undefined ? contrastToNoise(white, grey, noise) : undefined,
    isBrain ? noAir : noBrain,
  );
  sheet.set('cjv', hasBoth ? jointVariation(white, grey) : undefined, noBrain);
  sheet.set('wm2max', hasBoth ? whiteToMaximum(white, highest(first)) : undefined, noBrain);
  for (const [name, tissue] of [
    ['csf', tissues?.cerebrospinalFluid],
    ['gm', tissues?.greyMatter],
    ['wm', tissues?.whiteMatter],
  ] as const) {
    const shares = tissue === undefined ? undefined : tissues?.shares[tissue];
    sheet.set(
      `icvs_${name}`,
      tissues === undefined || tissue === undefined ? undefined : volumeFraction(tissues, tissue),
      noBrain,
    );
    sheet.set(`rpve_${name}`, shares === undefined ? undefined : residualPartialVolume(shares), noBrain);
  }
}

/** Thicker than the others by a quarter: the slices'. The third unless another one is. */
function throughAxis(spacingMm: readonly [number, number, number]): 0 | 1 | 2 {
  const [x, y, z] = spacingMm;
  if (y > 1.25 * Math.max(x, z)) return 1;
  return x > 1.25 * Math.max(y, z) ? 0 : 2;
}
