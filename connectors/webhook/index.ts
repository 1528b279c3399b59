/** Tells a partner's endpoint that a study's results are there: signed, with pseudonymous identifiers only. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { type WebhookOptions, options } from './options.ts';
import { parseSecret, parseSigningKey } from './signature.ts';

export const webhook: ConnectorPlugin<WebhookOptions> = {
  type: 'webhook',
  options,
  secretForms: { secret: parseSecret, previousSecret: parseSecret, signingKey: parseSigningKey },
  load: () => import('./connector.ts'),
};
