/**
 * Asks a port whether it is Kafka. kafkajs takes the first four bytes of whatever answers for a length and waits for
 * the rest; a web server then looks like a network that is slow.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { HubError } from '../../../core/errors.ts';
import { type KafkaConnection, openTls } from './client.ts';

const PATIENCE_MS = 3_000;
const API_VERSIONS = 18;
const CORRELATION = 0x4855_4201;
/** RFC 8446 Section 5.1: what a TLS server answers to plain text. */
const TLS_ALERT = 0x15;

/**
 * @param broker - `host:port`
 * @returns why it is no Kafka; undefined when it is, or when nobody can tell
 */
export async function whyNotKafka(
  broker: string,
  { tls }: Pick<KafkaConnection, 'tls'>,
): Promise<HubError | undefined> {
  const colon = broker.lastIndexOf(':');
  const [host, port] = [broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), Number(broker.slice(colon + 1))];
  const socket = tls === undefined ? connect({ host, port }) : openTls(host, port, tls);
  try {
    const answer = await ask(socket, tls !== undefined);
    if (answer === undefined || isKafka(answer)) return undefined;
    const wantsTls =
      tls === undefined && (answer[0] === TLS_ALERT || (answer.length === 0 && (await shakesHands(host, port))));
    if (answer.length === 0 && !wantsTls) return undefined;
    const advice = wantsTls ? `${broker} speaks TLS: set bus.tls` : `${broker} is something else than a Kafka broker`;
    return new HubError('bus.not-kafka', { broker, advice });
  } catch {
    // Not reachable, or TLS that fails: kafkajs says that well enough.
    return undefined;
  } finally {
    socket.destroy();
  }
}

/** The first bytes of the answer to ApiVersions version 0; none when it hangs up, undefined when it says nothing. */
async function ask(socket: Socket, isTls: boolean): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
    const end = (answer: Buffer | undefined) => {
      clearTimeout(timer);
      resolve(answer);
    };
    socket.once(isTls ? 'secureConnect' : 'connect', () => socket.write(apiVersionsRequest()));
    socket.on('data', (chunk: Buffer) => {
      parts.push(chunk);
      const all = Buffer.concat(parts);
      if (all.length >= 8 || all[0] === TLS_ALERT) end(all);
    });
    socket.once('close', () => end(Buffer.concat(parts)));
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** Whatever its certificate: nothing is said to it. */
async function shakesHands(host: string, port: number): Promise<boolean> {
  const socket = connectTls({ host, port, rejectUnauthorized: false });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.setTimeout(PATIENCE_MS, () => resolve(false));
      socket.once('secureConnect', () => resolve(true));
      for (const end of ['error', 'close']) socket.once(end, () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

function isKafka(answer: Buffer): boolean {
  return answer.length >= 8 && answer.readUInt32BE(4) === CORRELATION;
}

/** Kafka protocol guide, request header version 1: length, API key, API version, correlation ID, client ID. */
function apiVersionsRequest(): Buffer {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0);
  request.writeInt16BE(API_VERSIONS, 4);
  request.writeInt16BE(0, 6);
  request.writeInt32BE(CORRELATION, 8);
  request.writeInt16BE(-1, 12);
  return request;
}
