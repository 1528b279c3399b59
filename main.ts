/**
 * `hub <command>`: argv, signals and exit codes; nothing else. Exit 0 done, 1 failed, 2 wrong usage, 78 invalid
 * configuration (EX_CONFIG).
 */
import { ERRORS, HubError, toHubError } from './core/errors.ts';

type Command = (argv: readonly string[]) => Promise<number>;

interface CommandRow {
  readonly usage: string;
  readonly about: string;
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, CommandRow>> = {
  start: {
    usage: '[--config FILE] [--data DIR] [--stages LIST]',
    about: 'run the hub',
    load: async () => (await import('./cli/start.ts')).start,
  },
  check: {
    usage: '[--config FILE]',
    about: 'all mistakes of a configuration, each with its place',
    load: async () => (await import('./cli/check.ts')).check,
  },
  demo: {
    usage: '[PATH] [--exit]',
    about: 'watch a study travel from scanner to partner',
    load: async () => (await import('./cli/demo.ts')).demo,
  },
  send: {
    usage: 'PATH... --to AET@HOST:PORT [--from AET]',
    about: 'send DICOM files with C-STORE',
    load: async () => (await import('./cli/send.ts')).send,
  },
  deidentify: {
    usage: 'IN OUT [--policy-file FILE] [--report FILE]',
    about: 'de-identify a folder tree',
    load: async () => (await import('./cli/deidentify.ts')).deidentify,
  },
  qc: {
    usage: 'PATH [--json FILE] [--images DIR]',
    about: 'quality control of a study',
    load: async () => (await import('./cli/qc.ts')).qc,
  },
  segment: {
    usage: 'PATH --out DIR [--model NAME]',
    about: 'segment a study with an ONNX model',
    load: async () => (await import('./cli/segment.ts')).segment,
  },
  routes: {
    usage: 'explain PATH | diff --with FILE [--since 7d]',
    about: 'which routes match, and why',
    load: async () => (await import('./cli/routes.ts')).routes,
  },
  studies: {
    usage: 'list | show UID',
    about: 'what was received and where it stands',
    load: async () => (await import('./cli/admin.ts')).studies,
  },
  deliveries: {
    usage: 'list | show ID | replay ID',
    about: 'what goes to whom',
    load: async () => (await import('./cli/admin.ts')).deliveries,
  },
  'dead-letters': {
    usage: 'list | show ID | replay ID',
    about: 'deliveries that ended without success',
    load: async () => (await import('./cli/admin.ts')).deadLetters,
  },
  quarantine: {
    usage: 'list | show ID | release ID',
    about: 'content that is held, and why',
    load: async () => (await import('./cli/admin.ts')).quarantine,
  },
  token: {
    usage: 'create --role ROLE [--partner NAME]',
    about: 'access to the HTTP doors',
    load: async () => (await import('./cli/admin.ts')).token,
  },
};

process.exitCode = await run(process.argv.slice(2));

async function run([name, ...argv]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === 'help') {
    process.stdout.write(help());
    return name === undefined ? 2 : 0;
  }
  const row = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (row === undefined) {
    process.stderr.write(`hub: there is no command ${JSON.stringify(name)}\n\n${help()}`);
    return 2;
  }
  if (argv.includes('--help')) {
    process.stdout.write(`hub ${name} ${row.usage}\n  ${row.about}\n`);
    return 0;
  }
  try {
    const command = await row.load();
    return await command(argv);
  } catch (thrown) {
    return report(name, row, toHubError(thrown));
  }
}

/** One sentence for the person at the terminal; a stack trace only for a defect of ours, and only when asked for. */
function report(name: string, row: CommandRow, error: HubError): number {
  const detail = typeof error.fields['detail'] === 'string' ? error.fields['detail'] : error.message;
  process.stderr.write(`hub ${name}: ${detail}\n`);
  if (error.code === 'command.usage') {
    process.stderr.write(`usage: hub ${name} ${row.usage}\n`);
    return 2;
  }
  if (error.code === 'config.invalid') return 78;
  if (error.code === 'internal.unexpected' && error.cause instanceof Error)
    process.stderr.write(`  ${error.cause.message}\n`);
  process.stderr.write(`  ${ERRORS[error.code].remedy}\n`);
  return 1;
}

function help(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 2;
  const lines = Object.entries(COMMANDS).map(
    ([name, row]) => `  ${name.padEnd(width)}${row.about}\n  ${''.padEnd(width)}${row.usage}\n`,
  );
  return `hub <command>\n\n${lines.join('')}\nExit: 0 done, 1 failed, 2 wrong usage, 78 invalid configuration. --json prints machine output.\n`;
}
