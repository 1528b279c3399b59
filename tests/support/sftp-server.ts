/** OpenSSH's sshd with its own SFTP server, on a free loopback port, as an ordinary user. */
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:net';
import { type Command, freePort, run, type RunningServer, startServer } from './child-process.ts';
import { openssh } from './peers.ts';

const NOBODY = { name: 'nobody', id: 65_534 };
const ATTEMPTS = 3;

export interface SftpServer extends RunningServer {
  readonly port: number;
  readonly user: string;
  /** Files with private keys: one that is let in, the same with the passphrase `secret`, and one that is not. */
  readonly keys: { readonly good: string; readonly locked: string; readonly stranger: string };
  /** As `ssh-keygen -l` prints them. */
  readonly fingerprints: { readonly ed25519: string; readonly rsa: string };
  /** Lines of `known_hosts` for this host and port, names hashed. */
  readonly knownHosts: string;
  /** A folder of its own in which the user may write. */
  readonly root: string;
  kill(): Promise<void>;
  again(): Promise<void>;
}

/** @param lines - more of sshd_config */
export async function startSftpServer(lines: readonly string[] = []): Promise<SftpServer> {
  const tools = await openssh();
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? NOBODY.name : userInfo().username;
  const folder = await mkdtemp(join(tmpdir(), 'hub-sftp-'));
  const keygen = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(tools.command('ssh-keygen'), args);
    if (code !== 0) throw new Error(`ssh-keygen ended with ${String(code)}: ${stderr}`);
    return stdout;
  };
  const key = async (name: string, type: string, passphrase = ''): Promise<string> => {
    const path = join(folder, name);
    await keygen('-q', '-t', type, ...(type === 'rsa' ? ['-b', '2048'] : []), '-N', passphrase, '-C', name, '-f', path);
    return path;
  };
  const fingerprint = async (path: string) => (await keygen('-l', '-f', `${path}.pub`)).split(' ')[1] ?? '';
  const hostKeys = { ed25519: await key('host-ed25519', 'ed25519'), rsa: await key('host-rsa', 'rsa') };
  const keys = {
    good: await key('good', 'ed25519'),
    locked: await key('locked', 'rsa', 'secret'),
    stranger: await key('stranger', 'ed25519'),
  };
  const authorized = join(folder, 'authorized');
  await writeFile(
    authorized,
    await Promise.all([`${keys.good}.pub`, `${keys.locked}.pub`].map((path) => readFile(path, 'utf8'))),
  );
  const root = join(folder, 'files');
  await mkdir(root);
  // What sshd reads and writes belongs to who it runs as.
  if (isRoot) {
    for (const path of [root, hostKeys.ed25519, hostKeys.rsa, authorized]) await chown(path, NOBODY.id, NOBODY.id);
    await chmod(folder, (await stat(folder)).mode | 0o055);
  }
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const config = join(folder, `sshd_config-${String(port)}`);
    const session = join(tools.root, 'usr/lib/openssh');
    // From 9.8 on the daemon starts other programs by the path at which they would be installed.
    const parts = await Promise.all(
      [['SshdSessionPath', 'sshd-session'] as const, ['SshdAuthPath', 'sshd-auth'] as const].map(([option, name]) =>
        stat(join(session, name)).then(
          () => [`${option} ${join(session, name)}`],
          () => [],
        ),
      ),
    );
    // With PAM: of an account without a password sshd itself, not being root, finds that it is locked.
    await writeFile(
      config,
      [
        ...[`Port ${String(port)}`, 'ListenAddress 127.0.0.1', 'PidFile none', 'UsePAM yes', 'StrictModes no'],
        ...[`HostKey ${hostKeys.ed25519}`, `HostKey ${hostKeys.rsa}`, `AuthorizedKeysFile ${authorized}`],
        ...['PasswordAuthentication no', 'KbdInteractiveAuthentication no', 'Subsystem sftp internal-sftp'],
        ...[...parts.flat(), ...lines, ''],
      ].join('\n'),
    );
    const sshd = tools.command('sshd');
    const program: Command = isRoot ? { path: 'setpriv', env: sshd.env } : sshd;
    const args = [
      ...(isRoot ? [`--reuid=${String(NOBODY.id)}`, `--regid=${String(NOBODY.id)}`, '--clear-groups', sshd.path] : []),
      ...['-D', '-e', '-f', config],
    ];
    const start = () => startServer(program, args, () => greets(port));
    try {
      let running = await start();
      const line = async (path: string) => `[127.0.0.1]:${String(port)} ${await readFile(`${path}.pub`, 'utf8')}`;
      const known = join(folder, 'known_hosts');
      await writeFile(known, `${await line(hostKeys.ed25519)}${await line(hostKeys.rsa)}`);
      await keygen('-q', '-H', '-f', known);
      return {
        get pid() {
          return running.pid;
        },
        log: () => running.log(),
        ...{ port, user, keys, root },
        fingerprints: { ed25519: await fingerprint(hostKeys.ed25519), rsa: await fingerprint(hostKeys.rsa) },
        knownHosts: await readFile(known, 'utf8'),
        kill: async () => {
          process.kill(running.pid, 'SIGKILL');
          await running.stop();
        },
        again: async () => {
          running = await start();
        },
        stop: async () => {
          await running.stop();
          await rm(folder, { recursive: true, force: true });
        },
      };
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** The first line of every SSH server (RFC 4253 Section 4.2). */
async function greets(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.setTimeout(2_000, () => socket.destroy());
    socket.once('data', (chunk) => {
      resolve(chunk.toString('latin1').startsWith('SSH-2.0-'));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
