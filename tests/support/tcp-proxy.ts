/** A loopback proxy between the hub and a server, that can be cut, stalled and slowed like a network. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

type Mode = 'open' | 'down' | 'stalled';

export class TcpProxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  readonly #resumed = new Set<() => void>();
  #server: Server;
  #mode: Mode = 'open';
  /** Bytes a second each way of each connection; undefined is as fast as it goes. */
  #bytesPerSecond: number | undefined;
  #cutAfterBytes: number | undefined;
  #accepted = 0;
  #port = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(port: number, host = '127.0.0.1'): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host, port });
    await proxy.#listen(0);
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections accepted since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Connections are reset, and new ones refused, until `restore`. */
  async down(): Promise<void> {
    this.#mode = 'down';
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Resets what is connected now; new connections get through. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets the next connection that has carried so many bytes towards the server; once. */
  cutAfter(bytes: number): void {
    this.#cutAfterBytes = bytes;
  }

  /** Connections stay open, and nothing passes, until `restore`. */
  stall(): void {
    this.#mode = 'stalled';
  }

  /** Of each connection, each way. */
  slow(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** As at the beginning, on the same port. */
  async restore(): Promise<void> {
    const wasDown = this.#mode === 'down';
    this.#mode = 'open';
    this.#bytesPerSecond = undefined;
    this.#cutAfterBytes = undefined;
    for (const resume of this.#resumed) resume();
    this.#resumed.clear();
    if (wasDown) {
      this.#server = createServer((socket) => this.#accept(socket));
      await this.#listen(this.#port);
    }
  }

  async stop(): Promise<void> {
    if (this.#mode !== 'down') await this.down();
    for (const resume of this.#resumed) resume();
  }

  async #listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('a listening server has no port');
    this.#port = address.port;
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const server = connect(this.#target.port, this.#target.host);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.on('error', () => other.resetAndDestroy()); // Told to the other side as what it is.
      this.#pass(one, other, one === client).catch(() => one.destroy()); // Closed under the loop.
    }
  }

  async #pass(from: Socket, to: Socket, isTowardsServer: boolean): Promise<void> {
    let passed = 0;
    for await (const chunk of from) {
      const bytes = chunk as Buffer;
      while (this.#mode === 'stalled') await new Promise<void>((resume) => this.#resumed.add(resume));
      passed += bytes.length;
      if (isTowardsServer && this.#cutAfterBytes !== undefined && passed >= this.#cutAfterBytes) {
        this.#cutAfterBytes = undefined;
        to.write(bytes.subarray(0, Math.floor(bytes.length / 2)));
        from.resetAndDestroy();
        to.resetAndDestroy();
        return;
      }
      if (this.#bytesPerSecond !== undefined) await delay((bytes.length / this.#bytesPerSecond) * 1000);
      if (!to.write(bytes)) await once(to, 'drain');
    }
    to.end();
  }
}
