/** Delivers over SFTP: files under atomic names where the layout says, the study's manifest last. */
import type { Diagnosis } from '../../core/diagnosis.ts';
import type { Connector, ConnectorContext, ProbeContext } from '../../core/plugins.ts';
import { studyTurns } from '../study-turns.ts';
import { knownHosts, pinnedKeys } from './host-key.ts';
import type { SftpOptions } from './options.ts';
import { probeSftp } from './probe.ts';
import type { Server } from './session.ts';
import { deliverStudy, reconcileStudy } from './study-files.ts';

export function open(given: SftpOptions, context: ConnectorContext): Connector {
  const server = serverOf(given, context);
  const turns = studyTurns();
  return {
    deliver: (order, onDelivered) =>
      turns.run(order.studyInstanceUid, () => deliverStudy(server, context.store, given, order, onDelivered)),
    reconcile: (order) => reconcileStudy(server, given, order),
    close: () => turns.idle(),
  };
}

export function probe(given: SftpOptions, context: ProbeContext): AsyncIterable<Diagnosis> {
  return probeSftp(given, () => serverOf(given, context), context);
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
