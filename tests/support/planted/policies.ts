/** The policies under which a planted corpus is examined. */
import { NAMED_CLASSES } from './corpus.ts';
import type { ExaminedPolicy } from './expectation.ts';

export const EXAMINED_POLICIES: Readonly<Record<string, ExaminedPolicy>> = {
  basic: {},
  longitudinal: { options: ['retain-longitudinal-modified-dates', 'clean-descriptors'], classes: NAMED_CLASSES },
  characteristics: { options: ['retain-device-identity', 'retain-patient-characteristics'] },
  vendor: {
    options: ['retain-safe-private', 'retain-longitudinal-full-dates'],
    privateAllow: [
      { creator: 'EXAMINED MAKER', group: '0019', element: '01', vr: 'IS' },
      { creator: 'EXAMINED MAKER', group: '0019', element: '02', vr: 'LO', pattern: 'coil [0-9]+' },
      { creator: 'EXAMINED MAKER', group: '0019', element: '03', vr: 'LO', pattern: 'coil [0-9]+' },
      { creator: 'EXAMINED MAKER', group: '0019', element: '04', vr: 'SQ' },
    ],
  },
};
