/** Pixel data that is asked for decoded or rendered. */
import type { ErrorRow } from './row.ts';

export const PIXELS_ERRORS = {
  'pixels.damaged': {
    dimse: 0xc000,
    http: 500,
    retry: 'permanent',
    title: 'Pixel data cannot be decoded',
    remedy:
      'The pixel data contradicts its header or is damaged: send the instance again from its source. Its bytes as stored can be had with transfer-syntax=*.',
  },
  'pixels.unsupported': {
    dimse: 0x0122,
    http: 406,
    retry: 'permanent',
    title: 'Pixel data is in a form the hub cannot decode',
    remedy: 'Ask for the instance as stored, with transfer-syntax=*.',
  },
  'pixels.too-large': {
    dimse: 0x0110,
    http: 406,
    retry: 'permanent',
    title: 'A frame is too large to be decoded',
    remedy: 'Ask for the instance as stored, with transfer-syntax=*.',
  },
  'pixels.timeout': {
    dimse: 0x0110,
    http: 504,
    retry: 'transient',
    title: 'Decoding a frame took too long',
    remedy: 'Try again when the hub has less to do, or ask for the instance as stored, with transfer-syntax=*.',
  },
} as const satisfies Record<string, ErrorRow>;
