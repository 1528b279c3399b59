/** asyncssh's SFTP server, which lets one user in by a password. OpenSSH's asks the machine's accounts for theirs. */
import { resolve } from 'node:path';
import { freePort, run, type RunningServer, startServer } from './child-process.ts';
import { asyncssh } from './peers.ts';

const SCRIPT = resolve(import.meta.dirname, 'password-sftp.py');

export interface PasswordSftp extends RunningServer {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** As `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
}

/** @param root - what the user sees as `/` */
export async function startPasswordSftp(
  method: 'password' | 'keyboard-interactive',
  root: string,
): Promise<PasswordSftp> {
  const python = await asyncssh();
  const port = await freePort();
  const [user, password] = ['kct', 'a pass: word'];
  const isThere = async () =>
    (await run({ path: 'bash', env: {} }, ['-c', `echo > /dev/tcp/127.0.0.1/${String(port)}`])).code === 0;
  const server = await startServer(python, [SCRIPT, String(port), method, user, password, root], isThere);
  const fingerprint = /^host key (SHA256:\S+)$/m.exec(server.log())?.[1];
  if (fingerprint === undefined) throw new Error(`the server shows no host key: ${server.log()}`);
  return { ...server, port, user, password, fingerprint };
}
