/** The commands there are: what each is for, how it is called, and where it lives. A command is loaded when it is called. */

export type Command = (argv: readonly string[]) => Promise<number>;

export interface CommandRow {
  /** Ways to call it, without `hub` and its name. */
  readonly usage: readonly string[];
  readonly about: string;
  readonly load: () => Promise<Command>;
}

export const COMMANDS: Readonly<Record<string, CommandRow>> = {
  start: {
    usage: ['[--config FILE] [--data DIR] [--stages LIST]'],
    about: 'run the hub until Ctrl-C',
    load: async () => (await import('./start.ts')).start,
  },
  check: {
    usage: ['[--config FILE]', '--schema'],
    about: 'all mistakes of a configuration, each with its place',
    load: async () => (await import('./check.ts')).check,
  },
  reload: {
    usage: ['[--config FILE] [--data DIR]'],
    about: 'have the running hub take what its configuration file says now',
    load: async () => (await import('./reload.ts')).reload,
  },
  doctor: {
    usage: ['[--config FILE] [--source NAME] [--pull NAME] [--destination NAME] [--send-test]'],
    about: 'what is wrong with the hub, its sources, pulls and destinations, and what to do',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  demo: {
    usage: ['[PATH] [--exit] [--data DIR]'],
    about: 'watch a study travel from scanner to partner',
    load: async () => (await import('./demo.ts')).demo,
  },
  send: {
    usage: ['PATH... --to AET@HOST:PORT [--from AET]'],
    about: 'send DICOM files with C-STORE',
    load: async () => (await import('./send.ts')).send,
  },
  deidentify: {
    usage: ['IN OUT [--policy-file FILE] [--report FILE] [--report-page FILE]', '--public-key [--data DIR]'],
    about: 'de-identify a folder tree; ends with 3 when something was held back',
    load: async () => (await import('./deidentify.ts')).deidentify,
  },
  reidentify: {
    usage: ['UID [--partner NAME]'],
    about: 'what a UID that was given to a partner stands for; asks with the token in HUB_TOKEN, of role reidentifier',
    load: async () => (await import('./reidentify.ts')).reidentify,
  },
  report: {
    usage: ['verify FILE [--key FILE | --data DIR]'],
    about: 'whether a de-identification report is as the hub signed it',
    load: async () => (await import('./report.ts')).report,
  },
  qc: {
    usage: ['PATH [--json FILE] [--out DIR]', 'history [ID]', 'accept ID', 'reject ID', 'trends [--out DIR]'],
    about: 'measure the quality of a study; which scans later ones are held against',
    load: async () => (await import('./qc.ts')).qc,
  },
  segment: {
    usage: ['PATH --out DIR [--model NAME|DIR]'],
    about: 'segment a study with an ONNX model',
    load: async () => (await import('./segment.ts')).segment,
  },
  models: {
    usage: ['list', 'check DIR'],
    about: 'which segmentation models there are; what is wrong with one you want to add',
    load: async () => (await import('./models.ts')).models,
  },
  evaluate: {
    usage: ['--model NAME|DIR --reference DIR --cases DIR [--out DIR] [--against NAME|DIR]', '--schema'],
    about: "score a partner's model against masks drawn by people, in shadow; a report of how good it is",
    load: async () => (await import('./evaluate.ts')).evaluate,
  },
  convert: {
    usage: ['PATH --out DIR [--to nifti|dicom]'],
    about: 'series as NIfTI with sidecars, or as DICOM files',
    load: async () => (await import('./convert.ts')).convert,
  },
  routes: {
    usage: [
      'explain PATH [--source NAME]',
      'diff --with FILE [--since 7d]',
      'history | show VERSION [--diff] | rollback VERSION',
    ],
    about: 'which routes match, and why; what a changed configuration would do; versions',
    load: async () => (await import('./routes.ts')).routes,
  },
  studies: {
    usage: ['list | show UID | complete UID', 'replay UID [--to DEST] [--from-stage received|processed]'],
    about: 'what was received and where it stands',
    load: async () => (await import('./admin.ts')).studies,
  },
  deliveries: {
    usage: ['list | show ID | retry ID | cancel ID | replay ID', 'retry | cancel | replay FILTERS [--yes]'],
    about: 'what goes to whom',
    load: async () => (await import('./deliveries.ts')).deliveries,
  },
  'dead-letters': {
    usage: ['list | show ID | replay ID | discard ID', 'replay | discard FILTERS [--yes]'],
    about: 'deliveries that ended without success',
    load: async () => (await import('./deliveries.ts')).deadLetters,
  },
  quarantine: {
    usage: ['list | show ID | release ID | replay ID', 'override ID --reason REASON [--note TEXT]'],
    about: 'content that is held, and why; letting it go on',
    load: async () => (await import('./quarantine.ts')).quarantine,
  },
  commitments: {
    usage: ['list | show ID'],
    about: 'what scanners asked the hub to be answerable for, and whether they were told',
    load: async () => (await import('./admin.ts')).commitments,
  },
  pulls: {
    usage: [
      'list | show NAME | run NAME | pause NAME | resume NAME | cancel NAME',
      'backfill NAME --from DAY --to DAY',
    ],
    about: 'what the hub fetches from other archives, and how far it is',
    load: async () => (await import('./pulls.ts')).pulls,
  },
  store: {
    usage: [
      'usage',
      'export OUT [--study UID]',
      'verify',
      'rebuild [--route]',
      'disown',
      'backup DIR [--keep N] [--without-keys]',
      'restore BACKUP',
    ],
    about: 'what holds space and why; received instances as files; damage; a ledger that was lost; backups',
    load: async () => (await import('./store.ts')).store,
  },
  migrate: {
    usage: ['--config FROM --to FILE [--dry-run] [--sample N]'],
    about: 'move ledger and store of a stopped hub to PostgreSQL and S3',
    load: async () => (await import('./migrate.ts')).migrate,
  },
  partners: {
    usage: [
      'list',
      'show NAME',
      'create NAME [--expires TIME] [--contact TEXT]',
      'suspend NAME',
      'resume NAME',
      'extend NAME --expires TIME',
      'acls [--config FILE]',
    ],
    about: 'who gets results: make, suspend and extend them while the hub runs, and what to set up in Kafka for them',
    load: async () => (await import('./partners.ts')).partners,
  },
  token: {
    usage: ['create --role ROLE [--partner NAME]', 'list', 'revoke ID'],
    about: 'who may use the HTTP doors',
    load: async () => (await import('./token.ts')).token,
  },
};

export function usageLines(name: string, { usage }: CommandRow): readonly string[] {
  return usage.map((way) => `hub ${name} ${way}`);
}

/** What `hub --help` prints. */
export function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 2;
  const rows = Object.entries(COMMANDS).flatMap(([name, { about, usage }]) => [
    `  ${name.padEnd(width)}${about}`,
    ...usage.map((way) => `  ${''.padEnd(width)}  ${way}`),
  ]);
  return `hub <command>

${rows.join('\n')}

hub <command> --help lists a command's options. --json prints JSON for machines.
Exit: 0 done, 1 failed, 2 wrong usage, 3 held back (deidentify), 4 not accepted (evaluate), 78 invalid configuration.
`;
}
