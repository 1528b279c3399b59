/** Watched folders, and the ParaVision studies in them. */
import type { ErrorRow } from './row.ts';

export const FOLDER_ERRORS = {
  // Watched folders
  'folder.unavailable': {
    dimse: 0xa700,
    http: 503,
    retry: 'transient',
    title: 'A watched folder cannot be used',
    remedy:
      'Check that the share is mounted and that the hub may read and write in it; the log says which folder and why.',
  },
  'archive.unreadable': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Archive cannot be read',
    remedy: 'The zip file is damaged, cut off, or of a kind the hub does not open: pack it again, stored or deflated.',
  },
  'archive.encrypted': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'Archive is encrypted',
    remedy: 'Pack it again without a password: the hub has no keys.',
  },
  'archive.too-large': {
    dimse: 0xa700,
    http: 413,
    retry: 'permanent',
    title: 'Archive is larger inside than allowed',
    remedy: 'Pack it in several files, or raise the limits under zip of the watched folder.',
  },
  'archive.no-room': {
    dimse: 0xa700,
    http: 507,
    retry: 'transient',
    title: 'No room to unpack a study of the archive',
    remedy:
      'Free space on the disk of the data folder (hub store usage, gateway.retention), or raise the limits of gateway.disk; the archive is then taken by itself.',
  },
  // ParaVision studies
  'paravision.parameters-unreadable': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'A ParaVision parameter file cannot be read',
    remedy: 'The file is damaged, cut off or still being written: copy the scan again, or reconstruct it once more.',
  },
  'paravision.incomplete': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'A ParaVision scan has no whole reconstruction',
    remedy: 'It was aborted, or its copy is not complete: copy or reconstruct it again, or remove the scan folder.',
  },
  'paravision.mismatch': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'ParaVision images are not what their parameters say',
    remedy:
      'Size, order of frames or order of bytes of 2dseq contradict visu_pars: copy the scan again, correct what the reason names, or reconstruct it again.',
  },
  'paravision.unsupported': {
    dimse: 0xc000,
    http: 409,
    retry: 'permanent',
    title: 'A ParaVision reconstruction cannot become DICOM images',
    remedy: 'The reason says what it is; the scan stays where it is.',
  },
} as const satisfies Record<string, ErrorRow>;
