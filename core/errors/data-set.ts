/** What is wrong with what was sent to a DICOM door. */
import type { ErrorRow } from './row.ts';

export const DATA_SET_ERRORS = {
  // PS3.4 Table B.2-1: A9xx Data Set does not match SOP Class
  'dataset.sop-class-mismatch': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'Data set does not match SOP class',
    remedy: 'Check the sender: command and data set name different SOP classes or instances.',
  },
  'dataset.study-mismatch': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'Instance belongs to another study',
    remedy: 'Send the instance to /studies, or to the study its data set names.',
  },
  'dataset.patient-mismatch': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'Patient differs from the rest of the study',
    remedy: 'Check the study on the scanner: one study holds two patients. The hub holds it until it is released.',
  },
  // PS3.4 Table B.2-1: Cxxx Cannot understand
  'dataset.unreadable': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Data set cannot be read',
    remedy: 'The object is damaged or truncated: export it again. What came over the network is in quarantine.',
  },
  'dataset.empty': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Data set is empty',
    remedy: 'The object has no bytes: export it again.',
  },
  'dataset.uid-missing': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'A required UID is missing',
    remedy: 'The object lacks a Study, Series or SOP Instance UID, or its SOP Class UID.',
  },
  'dataset.uid-invalid': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'A UID is not valid',
    remedy: 'PS3.5 Section 9.1: digits and dots, at most 64 characters.',
  },
  'dataset.transfer-syntax-unknown': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Transfer syntax is not known',
    remedy: 'Send the object in a transfer syntax of PS3.5 Annex A.',
  },
  'dataset.conflict': {
    dimse: 0x0111,
    http: 409,
    retry: 'permanent',
    title: 'Same SOP Instance UID, different bytes',
    remedy: 'The sender reuses a SOP Instance UID for other content. The copy is in quarantine.',
  },
  'dataset.conflict-rejected': {
    dimse: 0x0111,
    http: 409,
    retry: 'permanent',
    title: 'Same SOP Instance UID, different bytes: rejected',
    remedy:
      'The sender reuses a SOP Instance UID for other content. Nothing of it is kept: gateway.sameUid says reject.',
  },
  'study.expired': {
    dimse: 0x0112,
    http: 410,
    retry: 'permanent',
    title: 'Removed after delivery',
    remedy: 'gateway.retention removed the bytes: send the study again from its source.',
  },
  'study.loop': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'What the hub gave away comes back to it again and again',
    remedy:
      'A destination leads back to a source of the hub. Take it out of the route, then release the entry; the study stands among the unrouted ones.',
  },
  'dataset.too-large': {
    dimse: 0xa700,
    http: 413,
    retry: 'permanent',
    title: 'Object is larger than allowed',
    remedy: 'Raise the limit in the configuration.',
  },
  // PS3.7 Annex C
  'sop-class.unsupported': {
    dimse: 0x0122,
    http: 409,
    retry: 'permanent',
    title: 'SOP class is not supported here',
    remedy: 'Negotiate the SOP class that is sent, or allow it for this source.',
  },
  'ae-title.invalid': {
    dimse: 0x0124,
    http: 400,
    retry: 'permanent',
    title: 'AE title is not valid',
    remedy: 'One to 16 printable characters, no backslash.',
  },
  'source.not-allowed': {
    dimse: 0x0124,
    http: 403,
    retry: 'permanent',
    title: 'Source is not allowed',
    remedy: 'Add the AE title and host under gateway.dimse.sources.',
  },
} as const satisfies Record<string, ErrorRow>;
