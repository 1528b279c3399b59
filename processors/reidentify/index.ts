/**
 * The way back: what a partner returned for a released study gets the references, the patient and the study of the
 * original, all of it or none. It runs first in a route, so that what follows sees the original's identity only.
 */
import type { ProcessorPlugin } from '../../core/plugins.ts';
import { type ReidentifyOptions, resolveReidentify } from './options.ts';

export const reidentify: ProcessorPlugin<ReidentifyOptions> = {
  name: 'reidentify',
  takesReturned: true,
  resolve: resolveReidentify,
  load: () => import('./step.ts'),
};
