/** What the hub's own HTTP doors refuse. */
import type { ErrorRow } from './row.ts';

export const HTTP_ERRORS = {
  'request.invalid': {
    dimse: 0x0110,
    http: 400,
    retry: 'permanent',
    title: 'Request is not valid',
    remedy: 'See the detail.',
  },
  'request.media-type': {
    dimse: 0x0110,
    http: 415,
    retry: 'permanent',
    title: 'Media type is not supported',
    remedy:
      'STOW-RS takes application/dicom, application/dicom+json, and multipart/related of them (PS3.18 Section 10.5); everything else takes application/json.',
  },
  'request.method': {
    dimse: 0x0110,
    http: 405,
    retry: 'permanent',
    title: 'Method is not allowed here',
    remedy: 'Use one of the methods that the header Allow names.',
  },
  'request.not-acceptable': {
    dimse: 0x0110,
    http: 406,
    retry: 'permanent',
    title: 'No acceptable media type',
    remedy: 'Ask for a media type that is offered here.',
  },
  'request.unauthenticated': {
    dimse: 0x0124,
    http: 401,
    retry: 'permanent',
    title: 'No valid token',
    remedy: 'Send Authorization: Bearer with a token of `hub token create`.',
  },
  'request.forbidden': {
    dimse: 0x0124,
    http: 403,
    retry: 'permanent',
    title: 'Not allowed',
    remedy: 'The token has not the role for this.',
  },
  'request.too-large': {
    dimse: 0x0110,
    http: 413,
    retry: 'permanent',
    title: 'Request is too large',
    remedy: 'Send less in one request.',
  },
  'request.too-many': {
    dimse: 0xa700,
    http: 429,
    retry: 'transient',
    title: 'Too many at once',
    remedy: 'Close connections you no longer read, or wait and try again.',
  },
  'request.range': {
    dimse: 0x0110,
    http: 416,
    retry: 'permanent',
    title: 'Range is not satisfiable',
    remedy: 'Ask for a range inside the resource; a HEAD request tells its length.',
  },
  'resource.not-found': {
    dimse: 0x0112,
    http: 404,
    retry: 'permanent',
    title: 'Not found',
    remedy: 'Check the identifier, or where it was looked for.',
  },
  'resource.gone': {
    dimse: 0x0112,
    http: 410,
    retry: 'permanent',
    title: 'No longer there',
    remedy: 'The hub received it and keeps it no more. If it should, see the log: a file of the store is missing.',
  },
  'resource.conflict': {
    dimse: 0x0111,
    http: 409,
    retry: 'permanent',
    title: 'Not possible in this state',
    remedy: 'See the detail.',
  },
} as const satisfies Record<string, ErrorRow>;
