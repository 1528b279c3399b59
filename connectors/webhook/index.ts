/** Tells a partner's endpoint that a study's results are there: signed, with pseudonymous identifiers only. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type WebhookOptions, options } from './options.ts';

export const webhook: ConnectorPlugin<WebhookOptions> = {
  type: 'webhook',
  options,
  load: () => import('./connector.ts'),
};
