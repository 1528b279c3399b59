/**
 * Private elements that diffusion and functional analysis need, by maker: numbers and short codes, nothing that a person
 * writes. What Table E.3.10-1 has of them is in there too, so that a list is whole by itself. Documented in the
 * conformance statement, as PS3.15 Section E.3.10 demands.
 */

/** A private element that may stay. Group and element are hexadecimal: `0019`, and `0C` for its low byte. */
export interface PrivateElementRule {
  readonly creator: string;
  readonly group: string;
  readonly element: string;
  readonly vr: string;
  /** Every value as text matches it as a whole. */
  readonly pattern?: string | undefined;
}

type Row = readonly [element: string, vr: string, pattern?: string];
interface Block {
  readonly creator: string;
  readonly group: string;
  readonly rows: readonly Row[];
}

/**
 * What these numbers can be. Longer ones are none of them: a day, a time of day, seconds since 1970, the number of an
 * animal somebody wrote there. In implicit VR nothing else tells a number from a date.
 */
const COUNT = '[0-9]{1,5}';
const MEASURE = '[+-]?[0-9]{0,4}(?:[.][0-9]*)?(?:[eE][+-]?[0-9]{1,2})?';

const SIEMENS_DIFFUSION: Block = {
  creator: 'SIEMENS MR HEADER',
  group: '0019',
  rows: [
    ['0C', 'IS', COUNT], // b-value
    ['0D', 'CS', 'NONE|DIRECTIONAL|ISOTROPIC'], // diffusion directionality
    ['0E', 'FD'], // diffusion gradient direction
    ['27', 'FD'], // B matrix
  ],
};
const SIEMENS_FUNCTIONAL: Block = {
  creator: 'SIEMENS MR HEADER',
  group: '0019',
  rows: [
    ['0A', 'US'], // images in mosaic
    ['18', 'IS', '[0-9]{1,6}'], // real dwell time, ns
    ['28', 'FD'], // bandwidth per pixel, phase encode
    ['29', 'FD'], // acquisition times of the slices of a mosaic
  ],
};

/** Acceleration, `p2` or `p2 s3`: the phase-encode bandwidth means nothing without it. */
const SIEMENS_ACCELERATION: Block = {
  creator: 'SIEMENS MR HEADER',
  group: '0051',
  rows: [['11', 'LO', '[ps][0-9]{1,2}(?: ?[ps][0-9]{1,2})?']],
};
/** Read from the CSA header of software that writes them nowhere else; see csa-header.ts. */
const SIEMENS_CSA: readonly Block[] = [
  { creator: 'SIEMENS MR SDI 02', group: '0021', rows: [['1C', 'IS', '[01]']] }, // phase encode direction positive
  { creator: 'IMAGING HUB CSA NUMBERS', group: '0029', rows: [['01', 'FD']] }, // slice normal
];

/** By the name a policy gives; the elements of the enhanced objects stand in a sequence per frame, whose items are entered. */
const LISTS = {
  'siemens-mr-diffusion': [SIEMENS_DIFFUSION],
  'siemens-mr-functional': [SIEMENS_FUNCTIONAL, SIEMENS_ACCELERATION, ...SIEMENS_CSA],
  'siemens-mr-enhanced': [
    {
      creator: 'SIEMENS MR SDS 01',
      group: '0021',
      rows: [
        ['FE', 'SQ'], // shared by all frames
        ['1C', 'IS', '[01]'], // phase encode direction positive
        ['33', 'IS', COUNT], // phase encoding lines
        ['42', 'IS', '[0-9]{1,6}'], // real dwell time, ns
        ['48', 'IS', COUNT],
        ['49', 'IS', COUNT], // reference lines
        ['53', 'FD'], // bandwidth per pixel, phase encode
      ],
    },
    {
      creator: 'SIEMENS MR SDI 02',
      group: '0021',
      rows: [
        ['FE', 'SQ'], // per frame
        ['04', 'DS', MEASURE], // seconds after the start of the series: slice timing
        ['1C', 'IS', '[01]'],
        ['42', 'IS', '[0-9]{1,6}'],
        ['53', 'FD'],
        ['88', 'DS', MEASURE], // slice location
        ['89', 'FD'], // duration of arterial spin labelling, ms
      ],
    },
  ],
  'ge-mr-diffusion': [
    { creator: 'GEMS_PARM_01', group: '0043', rows: [['39', 'IS']] }, // b-value first; flags of any size follow
    {
      creator: 'GEMS_ACQU_01',
      group: '0019',
      rows: [
        ['BB', 'DS', MEASURE],
        ['BC', 'DS', MEASURE],
        ['BD', 'DS', MEASURE], // diffusion direction
        ['E0', 'DS', MEASURE], // number of directions
      ],
    },
  ],
  'ge-mr-functional': [
    {
      creator: 'GEMS_PARM_01',
      group: '0043',
      rows: [
        ['2C', 'SS'], // effective echo spacing, µs
        ['2F', 'SS'], // magnitude, phase, real or imaginary
        ['83', 'DS', MEASURE], // acceleration factors
      ],
    },
    { creator: 'IMAGING HUB GE NUMBERS', group: '0025', rows: [['01', 'IS', '[01]']] }, // read from the protocol data block
    {
      creator: 'GEMS_RELA_01',
      group: '0021',
      rows: [
        ['4F', 'SS'], // locations in acquisition
        ['5E', 'DS', '[+-]?[0-9]{0,8}(?:[.][0-9]*)?'], // seconds on the timer of the acquisition: slice timing where it is filled
      ],
    },
    {
      creator: 'GEMS_ACQU_01',
      group: '0019',
      rows: [
        ['5A', 'FL'], // acquisition duration, µs
        ['9E', 'LO', 'EPI2?|EPIRT|FGRE|EFGRE3D|FSE|SSFSE|3DGRASS|SPEP|PGSE'], // internal name of the pulse sequence
      ],
    },
  ],
  'philips-mr-diffusion': [
    {
      creator: 'Philips Imaging DD 001',
      group: '2001',
      rows: [
        ['03', 'FL'], // b-factor
        ['04', 'CS', '[A-Z]{0,4}'], // diffusion direction
        ['0A', 'IS', COUNT], // slice number
      ],
    },
    {
      creator: 'Philips MR Imaging DD 001',
      group: '2005',
      rows: [
        ['B0', 'FL'],
        ['B1', 'FL'],
        ['B2', 'FL'], // diffusion gradient: right–left, anterior–posterior, foot–head
      ],
    },
    {
      creator: 'Philips MR Imaging DD 005',
      group: '2005',
      rows: [
        ['12', 'IS', COUNT],
        ['13', 'IS', COUNT], // numbers of b-value and gradient orientation
      ],
    },
  ],
  'philips-mr-functional': [
    {
      creator: 'Philips Imaging DD 001',
      group: '2001',
      rows: [
        ['0A', 'IS', COUNT], // slice number
        ['13', 'SL'], // EPI factor
        ['18', 'SL'], // number of slices
        ['22', 'FL'], // water-fat shift
        ['81', 'IS', COUNT], // number of dynamic scans
      ],
    },
  ],
  'philips-mr-scaling': [
    {
      creator: 'Philips MR Imaging DD 001',
      group: '2005',
      rows: [
        ['0D', 'FL'],
        ['0E', 'FL'], // scale intercept and slope
      ],
    },
  ],
} as const satisfies Readonly<Record<string, readonly Block[]>>;

export type PrivateListName = keyof typeof LISTS;

/** What `privateAllow` may name. */
export const PRIVATE_LIST_NAMES: readonly string[] = Object.keys(LISTS);

export function isPrivateListName(name: string): name is PrivateListName {
  return Object.hasOwn(LISTS, name);
}

/** The rules a name stands for. */
export function privateList(name: PrivateListName): readonly PrivateElementRule[] {
  const blocks: readonly Block[] = LISTS[name];
  return blocks.flatMap(({ creator, group, rows }) =>
    rows.map(([element, vr, pattern]) => ({
      creator,
      group,
      element,
      vr,
      ...(pattern === undefined ? {} : { pattern }),
    })),
  );
}

/** Lists whose numbers are also read from blocks that are never copied: Siemens' CSA header, GE's protocol; see maker-numbers.ts. */
export function readsBlocks(names: readonly PrivateListName[]): boolean {
  return names.some((name) => READING.has(name));
}

const READING: ReadonlySet<PrivateListName> = new Set([
  'siemens-mr-diffusion',
  'siemens-mr-functional',
  'ge-mr-functional',
]);
