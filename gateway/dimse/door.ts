/** One port: plain TCP or TLS (PS3.15 Annex B). It hands over connections that can be talked on, and nothing else. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { HubError } from '../../core/errors.ts';
import type { Logger } from '../../core/ports.ts';
import type { RefusedCaller } from '../refusals.ts';
import type { PeerCertificate } from './proofs.ts';
import { tlsFailure } from './tls-failures.ts';
import type { TlsSettings } from './tls-settings.ts';

export interface DoorOptions {
  readonly host: string;
  readonly port: number;
  /** Absent: plain. */
  readonly tls?: TlsSettings | undefined;
}

/** A connection that can be talked on. */
export interface ReadyConnection {
  /** Paused. */
  readonly accepted: Socket;
  /** Absent: plain. A TLS socket cannot be read into a buffer of ours. */
  readonly tls?: {
    readonly certificate: PeerCertificate | undefined;
    readonly onSettled: () => void;
  };
}

export interface DoorPorts {
  /** A TLS handshake begins. @returns to be called when the connection is not pending any more */
  readonly onHandshake: (raw: Socket) => () => void;
  readonly onReady: (connection: ReadyConnection) => void;
  /** A connection was over before its peer had said a word. */
  readonly onSilent: () => void;
  /** A TLS handshake failed, so that no AE title was told. */
  readonly onRefused: (caller: RefusedCaller) => void;
  readonly log: Logger;
}

/** A TLS handshake under way. */
interface Handshake {
  readonly raw: Socket;
  readonly address: string;
  readonly onSettled: () => void;
  /** Why it failed, as soon as that is known. */
  failure?: string;
}

export class Door {
  readonly #options: DoorOptions;
  readonly #ports: DoorPorts;
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;
  /** By the peer's address and port: a secured socket does not tell which connection it came from. */
  readonly #handshakes = new Map<string, Handshake>();
  #forgetRenewals: (() => void) | undefined;

  constructor(options: DoorOptions, ports: DoorPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#tls = options.tls === undefined ? undefined : this.#createTls(options.tls);
    this.#server =
      this.#tls ??
      createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (accepted) => ports.onReady({ accepted }));
  }

  /**
   * @returns the port, which the system chose when 0 was asked for
   * @throws {HubError} `config.invalid`: nobody can listen there
   */
  async listen(): Promise<number> {
    const { host, port, tls } = this.#options;
    await new Promise<void>((listening, failed) => {
      const refuse = (error: Error) => failed(cannotListen(host, port, error));
      this.#server.once('error', refuse);
      this.#server.listen(port, host, () => {
        this.#server.off('error', refuse);
        // No descriptor left, for one: this connection cannot be had, the next may. Unheard it would end the process.
        this.#server.on('error', (error) =>
          this.#ports.log.error('a connection could not be accepted', { reason: codeOf(error) }),
        );
        listening();
      });
    });
    this.#forgetRenewals = tls?.onRenewed((options) => this.#tls?.setSecureContext(options));
    return addressOf(this.#server).port;
  }

  /** Resolves when nobody can come in any more; who is in stays. */
  async close(): Promise<void> {
    this.#forgetRenewals?.();
    for (const { raw } of this.#handshakes.values()) raw.destroy();
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }

  #createTls(tls: TlsSettings): TlsServer {
    const { onHandshake, onReady } = this.#ports;
    const server = createTlsServer({ ...tls.serverOptions(), noDelay: true, keepAlive: true });
    server.on('connection', (raw: Socket) => {
      const peer = peerOf(raw);
      const handshake: Handshake = { raw, address: raw.remoteAddress ?? '', onSettled: onHandshake(raw) };
      this.#handshakes.set(peer, handshake);
      raw.once('close', () => {
        // The TLS socket above it closes right behind, and says why.
        setImmediate(() => {
          if (this.#handshakes.get(peer) !== handshake) return;
          this.#handshakes.delete(peer);
          this.#failed(handshake);
        });
      });
    });
    server.on('secureConnection', (accepted: TLSSocket) => {
      const peer = peerOf(accepted);
      const handshake = this.#handshakes.get(peer);
      this.#handshakes.delete(peer);
      // Its raw connection is gone already.
      if (handshake === undefined) accepted.destroy();
      else {
        const { onSettled } = handshake;
        onReady({ accepted: accepted.pause(), tls: { certificate: certificateOf(accepted), onSettled } });
      }
    });
    server.on('tlsClientError', (error, socket) => {
      const handshake = this.#handshakeOf(socket);
      if (handshake !== undefined) handshake.failure = verdictOn(socket) ?? codeOf(error);
      socket.destroy();
    });
    return server;
  }

  /** Node closes who shows a bad certificate before it says so, and a closed socket has no address: its raw one is found then. */
  #handshakeOf(socket: TLSSocket): Handshake | undefined {
    const raw: unknown = '_parent' in socket ? socket._parent : undefined;
    return this.#handshakes.get(peerOf(socket)) ?? [...this.#handshakes.values()].find((each) => each.raw === raw);
  }

  #failed({ raw, address, onSettled, failure }: Handshake): void {
    onSettled();
    const hasHungUp = failure === undefined || failure === 'ECONNRESET';
    if (hasHungUp && raw.bytesRead === 0) this.#ports.onSilent();
    else if (hasHungUp) this.#ports.log.warn('TLS handshake failed', { address, reason: 'ECONNRESET' });
    else {
      // The peer's own words stay out: only the code says what was wrong.
      const why = tlsFailure(failure);
      this.#ports.log.warn('TLS handshake failed', { address, why, reason: failure });
      this.#ports.onRefused({ address, callingAeTitle: '', calledAeTitle: '', why });
    }
  }
}

/** What is wrong with the certificate it showed; undefined when nothing is, or that was not looked at yet. */
function verdictOn(socket: TLSSocket): string | undefined {
  // A code and no error, whatever the types say.
  const verdict: unknown = socket.authorizationError;
  return typeof verdict === 'string' ? verdict : undefined;
}

/** One that no trusted authority has signed counts as none. */
function certificateOf(socket: TLSSocket): PeerCertificate | undefined {
  const shown = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return shown === undefined ? undefined : { subject: shown.subject, sha256: shown.fingerprint256 };
}

function peerOf(socket: Socket): string {
  return `${socket.remoteAddress ?? ''} ${socket.remotePort ?? 0}`;
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function cannotListen(host: string, port: number, error: Error): HubError {
  const why = codeOf(error) === 'EADDRINUSE' ? 'another program holds the port' : codeOf(error);
  return new HubError('config.invalid', { detail: `DICOM cannot listen on ${host}:${String(port)}: ${why}` }, error);
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listening server has no port');
  return address;
}
