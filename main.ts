/** `hub <command>`: argv, help and exit codes; nothing else. */
import { HelpAsked } from './cli/arguments.ts';
import { type CommandRow, COMMANDS, overview, usageLines } from './cli/commands.ts';
import { EXIT } from './cli/exit-codes.ts';
import { causeOf, commandFailure, remedyOf, sentenceOf } from './cli/failure.ts';
import type { HubError } from './core/errors.ts';
import { suggest } from './core/suggestion.ts';

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // `hub studies list | head -1`: the reader has enough.
    if (error.code === 'EPIPE') process.exit(EXIT.failed);
    throw error;
  });
}
process.exitCode = await run(process.argv.slice(2));

async function run([name, ...argv]: readonly string[]): Promise<number> {
  if (name === 'help' && argv.length > 0) return await run([...argv, '--help']);
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(overview());
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  const row = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (row === undefined) {
    const meant = suggest(name, Object.keys(COMMANDS));
    process.stderr.write(`hub: there is no command ${JSON.stringify(name)}${meant}\n  hub --help lists them\n`);
    return EXIT.usage;
  }
  try {
    const command = await row.load();
    return await command(argv);
  } catch (thrown) {
    if (!(thrown instanceof HelpAsked)) return report(name, row, commandFailure(thrown));
    const options = thrown.lines.map((line) => `  ${line}`);
    process.stdout.write(`${[...usageLines(name, row), `  ${row.about}`, '', ...options].join('\n')}\n`);
    return EXIT.done;
  }
}

/** What is wrong, where, and what to do about it, for the person at the terminal. Never a stack trace. */
function report(name: string, row: CommandRow, error: HubError): number {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const detail = typeof error.fields['detail'] === 'string' ? error.fields['detail'] : sentenceOf(error);
  if (error.code === 'command.usage') {
    say(`hub ${name}: ${detail}`);
    for (const line of usageLines(name, row)) say(`usage: ${line}`);
    say(`  hub ${name} --help lists the options`);
    return EXIT.usage;
  }
  if (error.code === 'config.invalid') {
    say(`hub ${name}: ${detail}`);
    return EXIT.config;
  }
  say(`hub ${name}: ${sentenceOf(error)}`);
  const cause = causeOf(error) ?? (error.code === 'internal.unexpected' ? messageOf(error.cause) : undefined);
  if (cause !== undefined && error.code !== 'file.failed') say(`  ${cause}`);
  const remedy = remedyOf(error);
  if (remedy !== undefined) say(`  ${remedy}`);
  return EXIT.failed;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
