/** What tells most about a kind of scan, the first two in a line of the table. */
import type { VolumeKind } from '../volumes/volume.ts';

interface KeyNumber {
  readonly name: string;
  readonly short: string;
}

const key = (name: string, short: string): KeyNumber => ({ name, short });
const GENERAL = [
  key('snr_normal_db', 'SNR'),
  key('efc', 'EFC'),
  key('snr_chang_db', 'SNR Chang'),
  key('inu_range', 'INU'),
];

const KEY_NUMBERS: Readonly<Record<VolumeKind, readonly KeyNumber[]>> = {
  anatomical: GENERAL,
  functional: [key('tsnr', 'tSNR'), key('fd_mean_mm', 'FD'), key('dvars_std', 'DVARS'), key('aor', 'AOR')],
  diffusion: [
    key('snr_b0', 'SNR b0'),
    key('ndc', 'NDC'),
    key('spikes_ppm', 'spikes'),
    key('tensor_residual', 'residual'),
  ],
  mapping: [key('fit_r2', 'R²'), key('map_median_ms', 'median'), key('fit_failed_fraction', 'failed')],
  phantom: [key('piu_percent', 'PIU'), key('psg_percent', 'PSG'), key('snr_smoothing', 'SNR')],
  unknown: GENERAL,
};

/** Of a kind nobody knows: of any scan. */
export function keyNumbersOf(kind: string): readonly KeyNumber[] {
  return Object.entries(KEY_NUMBERS).find(([name]) => name === kind)?.[1] ?? GENERAL;
}
