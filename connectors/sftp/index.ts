/** Delivers over SFTP: files under atomic names where the layout says, the study's manifest last. */
import type { ConnectorPlugin } from '../../core/plugins.ts';
import { HubError } from '../../core/errors.ts';
import { type SftpOptions, options } from './options.ts';

export const sftp: ConnectorPlugin<SftpOptions> = {
  type: 'sftp',
  options,
  secretForms: { 'auth.key': requirePrivateKey },
  load: () => import('./connector.ts'),
};

/** Whether it can be used is known when it is: it may need its passphrase, or be of a kind that the library does not know. */
function requirePrivateKey(text: string): void {
  if (!/^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/m.test(text)) {
    throw new HubError('config.invalid', { detail: 'an OpenSSH private key' });
  }
}
