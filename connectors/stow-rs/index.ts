/** Delivers instances to an origin server with STOW-RS (PS3.18 Section 10.5), in batches. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type StowOptions, options } from './options.ts';

export const stowRs: ConnectorPlugin<StowOptions> = { type: 'stow-rs', options, load: () => import('./connector.ts') };
