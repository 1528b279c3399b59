/**
 * Reads a connection into one buffer that is used again and again. 'data' events make a new 64 KiB buffer a read, which
 * is half of what receiving costs; `net` offers the other way to clients only (`onread`), so an accepted connection is
 * handed over to a socket that was made with it.
 */
import { Socket, type OnReadOpts } from 'node:net';

/**
 * @param accepted - paused since it was accepted (`pauseOnConnect`); not to be used any more
 * @param onBytes - must be done with the bytes when it returns
 * @returns the socket to use from now on, paused
 */
export function readInto(buffer: Buffer, accepted: Socket, onBytes: (chunk: Uint8Array) => void): Socket {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (typeof handle !== 'object' || handle === null || accepted.readableLength > 0) {
    // Another Node, or TLS: slower, and otherwise the same.
    accepted.on('data', onBytes);
    return accepted.pause();
  }
  Reflect.set(accepted, '_handle', null);
  accepted.destroy();
  const onread: OnReadOpts = {
    buffer,
    callback: (length, into) => {
      onBytes(into.subarray(0, length));
      return true;
    },
  };
  // Through Reflect, for the type declarations know no handle of an accepted connection.
  const socket: unknown = Reflect.construct(Socket, [{ handle, onread, noDelay: true, keepAlive: true }]);
  if (!(socket instanceof Socket)) throw new Error('net.Socket made something else');
  return socket.pause();
}
