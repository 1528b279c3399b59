/**
 * Every failure the hub can name, and what it means to each listener: one row a failure. The edges translate
 * (SCP to a DIMSE status, STOW-RS and our HTTP API to a status code, delivery to a retry class); nothing else does.
 * `docs/errors.md` is checked against this table by a test. The rows stand in `errors/`, a file for each part of the hub.
 */
import { STORAGE_ERRORS } from './errors/storage.ts';
import { DATA_SET_ERRORS } from './errors/data-set.ts';
import { HTTP_ERRORS } from './errors/http.ts';
import { PIXELS_ERRORS } from './errors/pixels.ts';
import { CONFIGURATION_ERRORS } from './errors/configuration.ts';
import { FOLDER_ERRORS } from './errors/folder.ts';
import { PROCESSING_ERRORS } from './errors/processing.ts';
import { PARTNER_ERRORS } from './errors/partner.ts';
import { LEDGER_ERRORS } from './errors/ledger.ts';
import { BUS_ERRORS } from './errors/bus.ts';
import type { ErrorRow } from './errors/row.ts';

export const ERRORS = {
  ...STORAGE_ERRORS,
  ...DATA_SET_ERRORS,
  ...HTTP_ERRORS,
  ...PIXELS_ERRORS,
  ...CONFIGURATION_ERRORS,
  ...FOLDER_ERRORS,
  ...PROCESSING_ERRORS,
  ...PARTNER_ERRORS,
  ...LEDGER_ERRORS,
  ...BUS_ERRORS,
  'internal.unexpected': {
    dimse: 0x0110,
    http: 500,
    retry: 'transient',
    title: 'Unexpected failure',
    remedy: 'A defect of the hub: report it with the log line.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** What an error says about itself: never a patient value, never a path outside the hub's own data folder. */
export type ErrorFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** A failure of the world (not of our code): a code of the table, fields without patient data, and the cause. */
export class HubError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;

  constructor(code: ErrorCode, fields: ErrorFields = {}, cause?: unknown) {
    const detail = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(' ');
    super(`${ERRORS[code].title}${detail === '' ? '' : ` (${detail})`}`, cause === undefined ? undefined : { cause });
    this.name = 'HubError';
    this.code = code;
    this.fields = fields;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** Any thrown value as a HubError; what is not one becomes `internal.unexpected` with its cause kept. */
export function toHubError(error: unknown): HubError {
  return error instanceof HubError ? error : new HubError('internal.unexpected', {}, error);
}
