/** The steps of a route. */
import type { ErrorRow } from './row.ts';

export const PROCESSING_ERRORS = {
  'crosswalk.unreadable': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'The crosswalk cannot be opened',
    remedy: 'The key crosswalk is not the one it was sealed with: bring back keys/crosswalk.key or HUB_CROSSWALK_KEY.',
  },
  'return.refused': {
    dimse: 0xa900,
    http: 409,
    retry: 'permanent',
    title: 'What a partner returned cannot be led back',
    remedy: 'Look at the detail of its quarantine entry; the partner has to return it anew once it is mended.',
  },
  'policy.unsafe': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'Cannot be released safely',
    remedy: 'Look at the quarantine entry: it says what could not be proven clean.',
  },
  'processor.failed': {
    dimse: 0x0110,
    http: 500,
    retry: 'transient',
    title: 'A processor failed',
    remedy: "Look at the run's history; replay the study when the cause is mended.",
  },
  'quality.failed': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'A scan failed quality control',
    remedy:
      'The entry says which measure and why, the report shows it. Repeat the scan; or send it all the same: `hub quarantine override ID --reason REASON`. Where the limit is wrong, mend it, then release the entry: the run is done again.',
  },
  'segmentation.missing': {
    dimse: 0x0110,
    http: 500,
    retry: 'permanent',
    title: 'No series was segmented, though the route requires it',
    remedy:
      'The entry says why each series was left out. Mend the route or the model, then release the entry: the run is done again; or send it without: `hub quarantine override ID --reason REASON`.',
  },
  'processor.timeout': {
    dimse: 0x0110,
    http: 504,
    retry: 'transient',
    title: 'A processor took too long',
    remedy: 'Raise its time limit or look at the size of the study.',
  },
  'model.invalid': {
    dimse: 0x0110,
    http: 409,
    retry: 'permanent',
    title: 'Model cannot be used',
    remedy: 'Check the model file, its digest and its manifest.',
  },
} as const satisfies Record<string, ErrorRow>;
