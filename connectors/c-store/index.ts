/** Delivers instances to a C-STORE provider (PS3.4 Annex B). */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type CStoreOptions, options } from './options.ts';

export const cStore: ConnectorPlugin<CStoreOptions> = {
  type: 'c-store',
  options,
  load: () => import('./connector.ts'),
};
