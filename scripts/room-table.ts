import type { IForbiddenRuleType } from 'dependency-cruiser';

// Who may import what. This table is what docs/architecture and every review refer to; scripts/boundaries.ts enforces it.

/** A top-level room or root file, and the rooms it may import; each may import itself. */
interface Room {
  readonly name: string;
  readonly mayImport: readonly string[] | 'any';
}

const STAGES = ['gateway', 'routers', 'processors', 'connectors', 'api'];
/** Stages that look into pixel data; the others pass it on as it is. */
const PIXEL_READERS = ['gateway', 'processors'];
/** Stages that ask other nodes: how much of a study they have, or for the study itself. */
const ASKERS = ['gateway', 'connectors'];
const WIRED = ['core', 'pixels', 'paravision', 'peers', ...STAGES, 'platform', 'config'];

/** Every top-level room that may hold TypeScript, in the order a study travels. A room that is not here fails the check. */
export const ROOMS: readonly Room[] = [
  { name: 'core', mayImport: [] },
  { name: 'pixels', mayImport: ['core'] },
  { name: 'paravision', mayImport: ['core'] },
  { name: 'evaluation', mayImport: ['core', 'pixels'] },
  { name: 'peers', mayImport: ['core'] },
  ...STAGES.map((name) => ({
    name,
    mayImport: [
      'core',
      ...(PIXEL_READERS.includes(name) ? ['pixels'] : []),
      ...(ASKERS.includes(name) ? ['peers'] : []),
    ],
  })),
  { name: 'platform', mayImport: ['core'] },
  { name: 'config', mayImport: ['core'] },
  // What `app.ts` is made of: the schemas of plug-ins gathered, the configuration as each part wants it, the roots of threads.
  { name: 'wiring', mayImport: WIRED },
  { name: 'app.ts', mayImport: [...WIRED, 'wiring'] },
  { name: 'demo', mayImport: ['core'] },
  {
    name: 'cli',
    mayImport: [...WIRED, 'wiring', 'app.ts', 'demo', 'evaluation'],
  },
  { name: 'main.ts', mayImport: ['core', 'cli'] },
  // Examples for others: they stand alone, as whoever copies them needs them.
  { name: 'docs', mayImport: [] },
  { name: 'tests', mayImport: 'any' },
  { name: 'bench', mayImport: 'any' },
  { name: 'scripts', mayImport: [...WIRED, 'wiring'] },
];

/** The only places of ours a package may be imported from; tests, benchmarks and scripts are not bound by it. */
export const HOMES: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/client-s3': ['platform/store/', 'connectors/s3/'],
  'cli-progress': ['cli/'],
  'dcmjs-codecs': ['pixels/'],
  'dcmjs-dimse': ['peers/dimse/'],
  express: ['platform/http/', 'gateway/dicomweb/', 'api/', 'connectors/feed/', 'connectors/partner-api/'],
  'fast-png': ['pixels/', 'processors/'],
  fontkit: ['processors/objects/'],
  helmet: ['platform/http/', 'gateway/dicomweb/', 'api/', 'connectors/feed/'],
  kafkajs: ['platform/bus/'],
  'node-cron': ['connectors/pull/', 'config/'],
  'node:sqlite': ['platform/ledger/'],
  'onnxruntime-node': ['processors/segment/'],
  pdfkit: ['processors/objects/'],
  pg: ['platform/ledger/postgres/'],
  'prom-client': ['platform/metrics.ts'],
  'rate-limiter-flexible': ['connectors/partner-api/'],
  ssh2: ['connectors/sftp/'],
  winston: ['platform/logger.ts'],
  yaml: ['config/'],
  yazl: ['gateway/dicomweb/'],
  yauzl: ['gateway/folder/'],
};

const CORE_PACKAGES = ['zod'];
// What core may use of Node computes; what it may not reaches the world outside the process.
const IO = 'child_process|cluster|dgram|dns|fs|http|http2|https|inspector|net|readline|repl|sqlite|tls|worker_threads';
const UNBOUND = ['tests', 'bench', 'scripts'];

/** One rule with an import that it must catch: what keeps a rule that matches nothing from looking like a clean house. */
export interface TestedRule {
  readonly rule: IForbiddenRuleType;
  readonly plant: { readonly in: string; readonly imports: string };
}

/** The table as dependency-cruiser's rules. */
export function boundaryRules(): readonly TestedRule[] {
  return [...ROOMS.flatMap(roomRule), ...Object.entries(HOMES).map(homeRule), ...generalRules()];
}

function roomRule(room: Room): readonly TestedRule[] {
  if (room.mayImport === 'any') return [];
  const allowed = [room.name, ...room.mayImport];
  const forbidden = ROOMS.filter(({ name }) => !allowed.includes(name)).map(({ name }) => name);
  const rule: IForbiddenRuleType = {
    name: `${room.name} imports ${room.mayImport.length === 0 ? 'only itself' : `only ${room.mayImport.join(', ')}`}`,
    severity: 'error',
    from: { path: `^${pathOf(room.name)}` },
    to: { path: `^(?:${forbidden.map(pathOf).join('|')})` },
  };
  const other = forbidden.find((name) => !allowed.includes(name)) ?? 'tests';
  return [{ rule, plant: { in: fileIn(room.name), imports: `./${fileIn(other)}` } }];
}

function homeRule([name, homes]: readonly [string, readonly string[]]): TestedRule {
  const allowed = [...UNBOUND.map((room) => `${room}/`), ...homes].map((home) => `^${escaped(home)}`);
  const rule: IForbiddenRuleType = {
    name: `${name} is at home in ${homes.join(', ')}`,
    severity: 'error',
    from: { pathNot: [...allowed, 'node_modules/'] },
    to: { path: packagePath(name) },
  };
  return { rule, plant: { in: 'routers/planted.ts', imports: name } };
}

function generalRules(): readonly TestedRule[] {
  return [
    {
      rule: {
        name: `of npm, core imports only ${CORE_PACKAGES.join(', ')}`,
        severity: 'error',
        from: { path: '^core/' },
        to: { path: 'node_modules/', pathNot: CORE_PACKAGES.map(packagePath) },
      },
      plant: { in: 'core/planted.ts', imports: 'uuid' },
    },
    {
      rule: {
        name: 'core does no I/O',
        severity: 'error',
        from: { path: '^core/' },
        to: { path: `^(?:node:)?(?:${IO})(?:/|$)`, dependencyTypes: ['core'] },
      },
      plant: { in: 'core/planted.ts', imports: 'node:fs/promises' },
    },
    {
      rule: { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
      plant: { in: 'platform/planted.ts', imports: './platform/planted-2.ts' },
    },
    {
      rule: {
        name: 'what ships needs no development dependency',
        severity: 'error',
        from: { pathNot: [...UNBOUND.map((room) => `^${room}/`), 'node_modules/'] },
        // A type is gone before anything runs.
        to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
      },
      plant: { in: 'platform/planted.ts', imports: 'mocha' },
    },
    {
      rule: {
        name: 'every package is declared',
        severity: 'error',
        from: { pathNot: 'node_modules/' },
        to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
      },
      plant: { in: 'platform/planted.ts', imports: 'color-convert' },
    },
    {
      rule: {
        name: 'every import is found',
        severity: 'error',
        from: { pathNot: 'node_modules/' },
        to: { couldNotResolve: true },
      },
      plant: { in: 'platform/planted.ts', imports: './platform/not-there.ts' },
    },
  ];
}

function pathOf(room: string): string {
  return room.endsWith('.ts') ? `${escaped(room)}$` : `${room}/`;
}

function fileIn(room: string): string {
  return room.endsWith('.ts') ? room : `${room}/planted.ts`;
}

function packagePath(name: string): string {
  // dependency-cruiser writes a built-in module without its scheme unless it has no name without one.
  return name.startsWith('node:')
    ? `^(?:node:)?${escaped(name.slice('node:'.length))}$`
    : `node_modules/(?:@types/)?${escaped(name)}/`;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
