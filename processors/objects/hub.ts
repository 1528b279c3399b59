/** What objects made here name as their maker. */
import { SOFTWARE } from '../../core/software.ts';
import type { HubIdentity } from './result-object.ts';

export const HUB: HubIdentity = { name: 'imaging-hub', version: SOFTWARE.version };
