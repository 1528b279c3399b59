/** Quality control: measures each series, holds it against the past, judges it, and leaves a report and a contact sheet. */
import type { ProcessorPlugin } from '../../core/plugins.ts';
import { parseQcOptions, type QcOptions } from './options.ts';

export const qc: ProcessorPlugin<QcOptions> = {
  name: 'qc',
  isPassable: true,
  resolve: parseQcOptions,
  load: () => import('./step.ts'),
};
