/** kafkajs with the settings it needs to notice a dead broker in seconds, and its many words at `debug`. */
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type ISocketFactory, Kafka, logLevel } from 'kafkajs';
import type { Logger } from '../../../core/ports.ts';

export interface KafkaConnection {
  readonly clientId: string;
  /** `host:port`, any of which leads to the others. */
  readonly brokers: readonly string[];
  /** PEM texts; empty: the authorities the system trusts, no certificate of ours. */
  readonly tls?:
    | { readonly ca?: string | undefined; readonly certificate?: string | undefined; readonly key?: string | undefined }
    | undefined;
  readonly sasl?: KafkaCredentials | undefined;
  /** How sockets are opened, for whoever wants to cut them. */
  readonly socketFactory?: ISocketFactory | undefined;
}

export interface KafkaCredentials {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

const CONNECT_MS = 3_000;
const AUTHENTICATION_MS = 10_000;
/** A produce that is not answered by then goes to a broker that is gone (PR #1783 of kafkajs: its own patience is 15 minutes). */
export const REQUEST_MS = 10_000;
/** Nobody waits inside kafkajs: the relay and the groups have back-off of their own. */
export const IMPATIENT = { retries: 1, initialRetryTime: 100, maxRetryTime: 500 } as const;
export const METADATA_MAX_AGE_MS = 30_000;

export function openKafka(connection: KafkaConnection, log: Logger): Kafka {
  const { clientId, brokers, tls, sasl, socketFactory } = connection;
  return new Kafka({
    clientId,
    brokers: [...brokers],
    ...(tls === undefined ? {} : { ssl: tlsOptions(tls) }),
    ...(sasl === undefined ? {} : { sasl: credentials(sasl) }),
    ...(socketFactory === undefined ? {} : { socketFactory }),
    connectionTimeout: CONNECT_MS,
    authenticationTimeout: AUTHENTICATION_MS,
    requestTimeout: REQUEST_MS,
    retry: { initialRetryTime: 300, maxRetryTime: 5_000, retries: 3 },
    logLevel: logLevel.WARN,
    // It says each step of a retry as an error; what a person must know the bus says itself.
    logCreator:
      () =>
      ({ namespace, log: { message, error } }) =>
        log.debug('kafkajs', { namespace, detail: message, ...(typeof error === 'string' ? { reason: error } : {}) }),
  });
}

function tlsOptions({ ca, certificate, key }: NonNullable<KafkaConnection['tls']>) {
  return {
    ...(ca === undefined ? {} : { ca: [ca] }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

function credentials({ mechanism, username, password }: KafkaCredentials) {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password } as const;
    case 'scram-sha-256':
      return { mechanism, username, password } as const;
    case 'scram-sha-512':
      return { mechanism, username, password } as const;
    default:
      return mechanism satisfies never;
  }
}

/** A TLS socket as kafkajs opens one. */
export function openTls(host: string, port: number, tls: NonNullable<KafkaConnection['tls']>) {
  return connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...tlsOptions(tls) });
}
