/** Delivers into a bucket: each file an object that is created or left alone, and the study's manifest last, as the commit mark. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type S3Options, options } from './options.ts';

export const s3: ConnectorPlugin<S3Options> = { type: 's3', options, load: () => import('./connector.ts') };
