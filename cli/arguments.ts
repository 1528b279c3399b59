/** What stands behind a command's name: its options, each with the line that `--help` shows for it, and the rest. */
import { parseArgs, type ParseArgsOptionDescriptor } from 'node:util';
import { HubError } from '../core/errors.ts';
import { suggest } from '../core/suggestion.ts';
import { columns } from './terminal.ts';

/** An option as `parseArgs` takes it, and what a person reads about it. */
interface Option extends ParseArgsOptionDescriptor {
  /** What it takes, in capitals: `FILE`. */
  readonly value?: string;
  readonly about: string;
}
type Options = Readonly<Record<string, Option>>;

/** Thrown instead of an answer when help is asked for, so that a command's help and what it accepts cannot differ. */
export class HelpAsked extends Error {
  /** One for each option, in columns. */
  readonly lines: readonly string[];

  constructor(options: Options) {
    super('help');
    const rows = Object.entries(options).map(([name, { value, about }]) => [
      `--${name}${value === undefined ? '' : ` ${value}`}`,
      about,
    ]);
    this.lines = columns([...rows, ['--help', 'this page']]);
  }
}

/** @throws {HubError} `command.usage`. @throws {HelpAsked} */
export function readArguments<const Rows extends Options>(argv: readonly string[], options: Rows) {
  const beforeDashes = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  if (beforeDashes.some((word) => word === '--help' || word === '-h')) throw new HelpAsked(options);
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new HubError('command.usage', { detail: inOurWords(error, options) }, error);
  }
}

/** `parseArgs` names the option between quotes; its sentences are for programmers. */
function inOurWords(error: unknown, options: Options): string {
  const message = error instanceof Error ? error.message : String(error);
  const name = /'-{1,2}([^\s'=]+)/.exec(message)?.[1] ?? '';
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) return `there is no option --${name}${suggest(name, Object.keys(options))}`;
  return option.type === 'boolean' ? `--${name} takes no value` : `--${name} needs a value: ${option.value ?? 'TEXT'}`;
}

/** The one file or folder a command is about. @throws {HubError} `command.usage` */
export function onlyPath(positionals: readonly string[]): string {
  const [path, second] = positionals;
  if (path === undefined) throw new HubError('command.usage', { detail: 'which file or folder?' });
  if (second !== undefined) throw new HubError('command.usage', { detail: `one PATH at a time, not also ${second}` });
  return path;
}

export const JSON_OPTION = { type: 'boolean', about: 'print JSON for machines' } as const;
