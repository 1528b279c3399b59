/** The hub's own door for the commands on the same machine: a Unix socket that only the hub's user can open. */
import { createHash } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { HubError } from '../../core/errors.ts';

/** sockaddr_un holds 108 bytes with the closing zero; a longer path cannot be bound. */
const MAX_PATH_BYTES = 107;

/** `<data>/hub.sock`; for a data folder whose path is too long, a name made of its digest in the temporary folder. */
export function ownSocketPath(dataFolder: string): string {
  const path = join(resolve(dataFolder), 'hub.sock');
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return path;
  return join(tmpdir(), `hub-${createHash('sha256').update(resolve(dataFolder)).digest('hex').slice(0, 16)}.sock`);
}

/** True when a hub answers on the socket. */
export async function isSocketAnswered(path: string): Promise<boolean> {
  return await new Promise((answer) => {
    const socket = connect(path);
    const done = (isAnswered: boolean) => {
      socket.destroy();
      answer(isAnswered);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}

/** @throws {HubError} `resource.conflict` when another hub answers there */
export async function listenOnOwnSocket(server: Server, path: string): Promise<void> {
  if (await isSocketAnswered(path)) {
    throw new HubError('resource.conflict', { detail: 'another hub runs on this data folder' });
  }
  // What a killed hub left behind: nobody answers there, and it would make the bind fail.
  await rm(path, { force: true });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    // The name is made in this call: with the caller's umask anybody could open it until the chmod below.
    const umask = process.umask(0o077);
    try {
      server.listen(path, () => {
        server.off('error', failed);
        listening();
      });
    } finally {
      process.umask(umask);
    }
  });
  await chmod(path, 0o600);
}
