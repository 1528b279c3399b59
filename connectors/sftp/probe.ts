/** Tries the way to an SFTP server: name, port, host key, who we are, and whether a file can be written and renamed. */
import { randomBytes } from 'node:crypto';
import { type Diagnosis, fine, skipped, warning, wrong } from '../../core/diagnosis.ts';
import { HubError } from '../../core/errors.ts';
import type { ProbeContext } from '../../core/plugins.ts';
import { probeReach } from '../probe/reach.ts';
import { openSession, type Server, type Session } from './session.ts';
import { below } from './study-files.ts';

/** @param serverOf - throws `config.invalid` when a secret cannot be had */
export async function* probeSftp(
  given: { readonly path: string },
  serverOf: () => Server,
  context: ProbeContext,
): AsyncGenerator<Diagnosis> {
  const server = readServer(serverOf);
  if ('verdict' in server) {
    yield server;
    return;
  }
  const { host, port, connectTimeoutMs: timeoutMs, user } = server;
  if ((yield* probeReach({ host, port, timeoutMs, signal: context.signal })) === undefined) return;
  const session = await openSession(server, context.signal).catch((error: unknown) => noSession(error, server));
  if ('verdict' in session) {
    yield session;
    return;
  }
  try {
    yield fine('host-key', 'The server shows a host key that is pinned');
    yield fine('login', `It lets ${user} in`);
    if (!session.knowsSync()) {
      yield warning(
        'sync',
        'The server does not know fsync@openssh.com',
        'What it confirms may be gone when its machine loses power just then.',
        'Use OpenSSH there, or verify: after, so that it is asked again later.',
      );
    }
    const root = await session.look(given.path);
    if (root === 'folder') yield fine('folder', `${given.path} is there`);
    else if (root === undefined) yield fine('folder', `${given.path} is not there yet; the first delivery makes it`);
    else {
      yield wrong(
        'folder',
        `${given.path} is not a folder`,
        'A file of this name is in the way.',
        'Name another folder.',
      );
      return;
    }
    yield context.sendTest
      ? await writes(session, root === 'folder' ? given.path : '.')
      : skipped('test-object', 'A test file was not written', 'Only with --send-test: it is removed again.');
  } finally {
    session.close();
  }
}

function readServer(serverOf: () => Server): Server | Diagnosis {
  try {
    return serverOf();
  } catch (error) {
    if (!(error instanceof HubError) || error.code !== 'config.invalid') throw error;
    return wrong(
      'secret',
      'A key, password or the known hosts cannot be read',
      `${String(error.fields['detail'])}.`,
      "Set the variable or make the file readable in the hub's own environment, which need not be this terminal's.",
    );
  }
}

/** @throws what is no failure of the server's */
function noSession(error: unknown, { user }: Server): Diagnosis {
  if (!(error instanceof HubError)) throw error;
  const { hostKey, detail, reason } = error.fields;
  if (typeof hostKey === 'string') {
    return wrong(
      'host-key',
      'The server shows a host key that is not pinned',
      `It shows ${hostKey}. Either its key was changed, or somebody else answers.`,
      "Get the fingerprint from the server's administrator, not over this connection (there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), compare, and only then write it as hostKey of this destination.",
    );
  }
  if (reason === 'client-authentication') {
    return wrong(
      'login',
      `The server does not let ${user} in`,
      'It does not know the user, our key or the password, or the account may not use SFTP.',
      "Have our public key put into the account's authorized_keys, or correct user and auth.",
    );
  }
  return wrong(
    'login',
    'No session with the server',
    `${error.row.title}: ${String(detail)}.`,
    'Check that the port is that of an SSH server, and look at its log.',
  );
}

async function writes(session: Session, folder: string): Promise<Diagnosis> {
  const name = below(folder, `hub-doctor-${randomBytes(6).toString('hex')}`);
  try {
    await session.write(`${name}.part`, [Buffer.from('Connection test of an imaging hub: may be deleted.\n')]);
    await session.replace(`${name}.part`, name);
    await session.remove(name);
    return fine('test-object', 'A file can be written, renamed and removed');
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return wrong(
      'test-object',
      'A file cannot be written',
      `${error.row.title}: ${String(error.fields['detail'])}.`,
      `Give the account write permission in ${folder}, and look at the room on its disk.`,
    );
  }
}
