/** Delivers over SFTP: files under atomic names where the layout says, the study's manifest last. */
import * as z from 'zod';
import type { Connector, ConnectorContext, ConnectorPlugin } from '../../core/plugins.ts';
import { duration } from '../../core/quantities.ts';
import { destinationOptions, secretReference, verifyAfter } from '../destination-options.ts';
import { checkLayout, layout } from '../file-layout.ts';
import { studyTurns } from '../study-turns.ts';
import { FINGERPRINT, knownHosts, pinnedKeys } from './host-key.ts';
import type { Server } from './session.ts';

const fingerprint = z.string().regex(FINGERPRINT, 'not a fingerprint as ssh-keygen -l prints it: SHA256:…');

const options = z
  .strictObject({
    ...destinationOptions,
    type: z.literal('sftp'),
    verify: verifyAfter,
    host: z.string().min(1),
    port: z.int().min(1).max(65_535).default(22),
    user: z.string().min(1).max(255),
    auth: z
      .union([
        z.strictObject({ key: secretReference, passphrase: secretReference.optional() }),
        z.strictObject({ password: secretReference }),
      ])
      .describe('Our private key, or a password, by reference.'),
    hostKey: z
      .union([
        z.strictObject({ fingerprints: z.array(fingerprint).min(1).max(8) }),
        z.strictObject({ knownHosts: secretReference }),
      ])
      .describe('Which host key the server must show; without one nothing is sent.'),
    path: z
      .string()
      .regex(/^[^\0]{1,500}$/)
      .default('.')
      .describe('Folder on the server; below the one we are let into, unless it begins with a slash.'),
    layout,
    parallel: z.int().min(1).max(16).default(4).describe('Files under way at once, of each delivery.'),
    timeouts: z
      .strictObject({
        connect: duration('100ms', '5m').prefault('20s').describe('Until we are let in.'),
        answer: duration('100ms', '1h').prefault('60s').describe('Longest wait for an answer.'),
      })
      .prefault({}),
  })
  .superRefine(checkLayout);
export type SftpOptions = z.infer<typeof options>;

export const sftp: ConnectorPlugin<SftpOptions> = {
  type: 'sftp',
  options,
  open,
  async *probe(given, context) {
    const { probeSftp } = await import('./probe.ts');
    yield* probeSftp(given, () => serverOf(given, context), context);
  },
};

function open(given: SftpOptions, context: ConnectorContext): Connector {
  const server = serverOf(given, context);
  const turns = studyTurns();
  return {
    deliver: (order, onDelivered) =>
      turns.run(order.studyInstanceUid, async () => {
        // When it is needed: a thread that only reads a configuration does without the library.
        const { deliverStudy } = await import('./study-files.ts');
        await deliverStudy(server, context.store, given, order, onDelivered);
      }),
    reconcile: async (order) => {
      const { reconcileStudy } = await import('./study-files.ts');
      return await reconcileStudy(server, given, order);
    },
    close: () => turns.idle(),
  };
}

/** @throws {HubError} `config.invalid` when a secret cannot be had */
function serverOf(given: SftpOptions, { secret }: Pick<ConnectorContext, 'secret'>): Server {
  const { host, port, user, auth, hostKey, timeouts } = given;
  return {
    ...{ host, port, user },
    auth:
      'password' in auth
        ? { password: secret(auth.password) }
        : {
            // Files of keys end with a line end, and a secret has none.
            key: `${secret(auth.key)}\n`,
            passphrase: auth.passphrase === undefined ? undefined : secret(auth.passphrase),
          },
    hostKeys:
      'fingerprints' in hostKey ? pinnedKeys(hostKey.fingerprints) : knownHosts(secret(hostKey.knownHosts), host, port),
    connectTimeoutMs: timeouts.connect,
    answerTimeoutMs: timeouts.answer,
  };
}
