/**
 * What may stand in a log line. The first net is the caller, who logs identifiers and numbers; this is the second one:
 * values under keys that name a patient or a secret are taken out, whatever they are, at any depth.
 */
import { HubError } from '../core/errors.ts';

const REDACTED = '[redacted]';
const MAX_DEPTH = 5;
const MAX_ENTRIES = 100;
const MAX_TEXT = 2_000;

/** Keys without case and punctuation, so that `PatientName`, `patient-name` and `patient_name` are one. */
const FORBIDDEN_KEYS: readonly RegExp[] = [
  // PS3.6: the Patient module, and what says who was with the patient, where, and in free text.
  /^(other|referenced|issuerof)?patient/,
  /physician|operatorsname|personname|responsible(person|organization)|requestingservice|verifyingobserver/,
  /^(accessionnumber|studyid|institution(name|address|aldepartmentname)|stationname|medicalrecordlocator|militaryrank)$/,
  /^(ethnicgroup|occupation|country|region)ofresidence$|^(ethnicgroup|occupation|additionalpatienthistory)$/,
  /^(study|series|performedprocedurestep|requestedprocedure|admittingdiagnoses)description$|comments?$|^protocolname$/,
  // Whole data sets and requests.
  /^(attributes|dataset|headers|body|rawheaders)$/,
  // Secrets. A token's ID is not one.
  /authorization|cookie|password|passwd|passphrase|secret|apikey|privatekey|credential|token(?!id$)/,
];

/** A name in DICOM's notation, a user and password in a URL, a bearer token, a token of ours: forbidden in any text. */
const FORBIDDEN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/[\p{L}\p{N}'.-]+\^[\p{L}\p{N}'.^ -]*/gu, REDACTED],
  [/:\/\/[^/\s@]+@/g, `://${REDACTED}@`],
  [/\bBearer\s+[A-Za-z0-9._~+/=-]+/gi, `Bearer ${REDACTED}`],
  [/\bhub_[0-9a-f]{12}_[A-Za-z0-9_-]{43}/g, REDACTED],
];

/** Fields as they may be written: plain JSON values, bounded, without what must not be logged. */
export function loggable(fields: Readonly<Record<string, unknown>>, withStack: boolean): Record<string, unknown> {
  return fromRecord(fields, withStack, 0);
}

/** A text without what must not be logged. */
export function loggableText(text: string): string {
  const cleaned = FORBIDDEN_TEXT.reduce((cleaner, [pattern, by]) => cleaner.replaceAll(pattern, by), text);
  return cleaned.length > MAX_TEXT ? `${cleaned.slice(0, MAX_TEXT)}…` : cleaned;
}

function fromRecord(record: object, withStack: boolean, depth: number): Record<string, unknown> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries
      .slice(0, MAX_ENTRIES)
      .map(([key, value]) => [key, isForbidden(key) ? REDACTED : fromValue(value, withStack, depth + 1)]),
  );
}

function isForbidden(key: string): boolean {
  const plain = key.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return FORBIDDEN_KEYS.some((pattern) => pattern.test(plain));
}

function fromValue(value: unknown, withStack: boolean, depth: number): unknown {
  if (typeof value === 'string') return loggableText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  if (typeof value !== 'object') return value;
  if (value === null) return value;
  if (value instanceof Error) return fromError(value, withStack);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[no time]' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth > MAX_DEPTH) return '[deep]';
  const isList = Array.isArray(value) || value instanceof Set;
  if (isList) return [...value].slice(0, MAX_ENTRIES).map((item) => fromValue(item, withStack, depth + 1));
  return fromRecord(value instanceof Map ? Object.fromEntries<unknown>(value) : value, withStack, depth);
}

/** A failure the table names explains itself; only a defect needs its stack. */
function fromError(error: Error, withStack: boolean): Record<string, unknown> {
  const isDefect = !(error instanceof HubError) || error.code === 'internal.unexpected';
  const causes = [...causesOf(error)];
  const origin = causes.at(-1) ?? error;
  return {
    name: error.name,
    message: loggableText(error.message),
    ...(error instanceof HubError ? { code: error.code } : {}),
    ...(causes.length === 0
      ? {}
      : { cause: causes.map(({ name, message }) => loggableText(`${name}: ${message}`)).join(' ← ') }),
    ...(withStack && isDefect ? { stack: loggableText(origin.stack ?? '') } : {}),
  };
}

function* causesOf(error: Error): Generator<Error> {
  let cause = error.cause;
  for (let depth = 0; depth < MAX_DEPTH && cause instanceof Error; depth += 1) {
    yield cause;
    cause = cause.cause;
  }
}
