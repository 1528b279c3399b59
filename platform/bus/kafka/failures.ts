/** What kafkajs throws, as a row of the table of errors: an administrator reads what to do, not a protocol code. */
import { type ErrorCode, type ErrorFields, HubError } from '../../../core/errors.ts';

/** Protocol errors by their name in the Kafka protocol guide. */
const BY_TYPE: Readonly<Record<string, ErrorCode>> = {
  TOPIC_AUTHORIZATION_FAILED: 'bus.unauthorized',
  GROUP_AUTHORIZATION_FAILED: 'bus.unauthorized',
  CLUSTER_AUTHORIZATION_FAILED: 'bus.unauthorized',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'bus.unauthorized',
  UNKNOWN_TOPIC_OR_PARTITION: 'bus.topic-missing',
  MESSAGE_TOO_LARGE: 'bus.message-too-large',
  RECORD_LIST_TOO_LARGE: 'bus.message-too-large',
  UNSUPPORTED_VERSION: 'bus.not-kafka',
  UNSUPPORTED_SASL_MECHANISM: 'bus.credentials',
  ILLEGAL_SASL_STATE: 'bus.credentials',
  SASL_AUTHENTICATION_FAILED: 'bus.credentials',
};
const BY_NAME: Readonly<Record<string, ErrorCode>> = {
  KafkaJSSASLAuthenticationError: 'bus.credentials',
  KafkaJSServerDoesNotSupportApiKey: 'bus.not-kafka',
  KafkaJSNotImplemented: 'bus.not-kafka',
  KafkaJSTopicMetadataNotLoaded: 'bus.topic-missing',
  KafkaJSConnectionError: 'bus.unreachable',
  KafkaJSConnectionClosedError: 'bus.unreachable',
  KafkaJSRequestTimeoutError: 'bus.unreachable',
  KafkaJSBrokerNotFound: 'bus.unreachable',
  KafkaJSNoBrokerAvailableError: 'bus.unreachable',
};
/** kafkajs keeps to itself why a group has no coordinator: these are the two reasons that do not pass. */
const NO_COORDINATOR =
  'Kafka names no coordinator: the user may lack the right to read these groups, or offsets.topic.replication.factor is more than there are brokers';
/** OpenSSL's and Node's own codes for a handshake that fails. */
const TLS_CODE = /^(ERR_SSL_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|ERR_OSSL_)|^EPROTO$/;
const MAX_DEPTH = 8;

/** @param fields - what the caller knows: the topic, the group */
export function toBusError(error: unknown, fields: ErrorFields = {}): HubError {
  if (error instanceof HubError) return error;
  const links = causesOf(error);
  const found =
    pick(links, ({ type }) => BY_TYPE[type ?? '']) ?? pick(links, tlsCode) ?? pick(links, ({ name }) => BY_NAME[name]);
  const advice = links.some(({ name }) => name === 'KafkaJSGroupCoordinatorNotFound') ? NO_COORDINATOR : undefined;
  return new HubError(found ?? 'bus.failed', { ...fields, detail: links.at(-1)?.message, advice }, error);
}

/** Whether kafkajs would try again by itself: what is not is for a person to mend. */
export function isPassing(error: unknown): boolean {
  const links = causesOf(error);
  return links.some(({ name }) => name === 'KafkaJSNumberOfRetriesExceeded') || links.at(-1)?.isRetriable === true;
}

interface Link {
  readonly name: string;
  readonly message: string;
  readonly type: string | undefined;
  readonly code: string | undefined;
  readonly isRetriable: boolean;
}

/** An error, what caused it, and what stands side by side in it, from the outside in. */
function causesOf(error: unknown, depth = 0): readonly Link[] {
  if (!(error instanceof Error) || depth === MAX_DEPTH) return [];
  const { type, code, errors, retriable } = parseFields(error);
  const link: Link = {
    name: error.name,
    message: error.message,
    type: typeof type === 'string' ? type : undefined,
    code: typeof code === 'string' ? code : undefined,
    isRetriable: retriable === true,
  };
  const beside = Array.isArray(errors) ? errors.flatMap((each) => causesOf(each, depth + 1)) : [];
  return [link, ...beside, ...causesOf(error.cause, depth + 1)];
}

function tlsCode({ code }: Link): ErrorCode | undefined {
  return code !== undefined && TLS_CODE.test(code) ? 'bus.certificate' : undefined;
}

function pick(links: readonly Link[], of: (link: Link) => ErrorCode | undefined): ErrorCode | undefined {
  for (const link of links) {
    const code = of(link);
    if (code !== undefined) return code;
  }
  return undefined;
}

/** What kafkajs and Node add to an error. */
function parseFields(error: Error) {
  return error as Error & Partial<Record<'type' | 'code' | 'errors' | 'retriable', unknown>>;
}
