/** The `segment` processor: a model's masks of each series it fits, as DICOM Segmentation, picture and numbers. */
import type { ProcessorPlugin } from '../../core/plugins.ts';
import { resolveSegment, type SegmentOptions } from './options.ts';

export const segment: ProcessorPlugin<SegmentOptions> = {
  name: 'segment',
  isPassable: true,
  resolve: resolveSegment,
  load: () => import('./step.ts'),
};
