/** Delivers over SFTP: files under atomic names where the layout says, the study's manifest last. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type SftpOptions, options } from './options.ts';

export const sftp: ConnectorPlugin<SftpOptions> = { type: 'sftp', options, load: () => import('./connector.ts') };
