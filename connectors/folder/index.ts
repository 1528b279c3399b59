/** Delivers into a folder: instances where its layout says, artefacts below the study's folder, and a manifest at the end. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type FolderOptions, options } from './options.ts';

export const folder: ConnectorPlugin<FolderOptions> = { type: 'folder', options, load: () => import('./connector.ts') };
