/** The log: one line a step, for machines as JSON, for a person at a terminal as text. */
import { format, createLogger as createWinstonLogger, type Logform, transports } from 'winston';
import type { LogFields, Logger } from '../core/ports.ts';
import { loggable, loggableText } from './log-fields.ts';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
  /** Standard error by default: standard output belongs to what a command answers. */
  readonly stream?: NodeJS.WritableStream;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

const LEVELS = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>;

export function createLogger({ level, format: shape, stream = process.stderr }: LoggerOptions): Logger {
  const winston = createWinstonLogger({
    level,
    levels: LEVELS,
    format: format.combine(redacted(), shape === 'json' ? format.printf(asJson) : format.printf(asText)),
    // winston declares its transports as interfaces, which the rule takes for something else.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    transports: [new transports.Stream({ stream })],
  });

  const bind = (bound: LogFields): Logger => {
    // In an object of their own: a field named `message` or `level` must not become the line's.
    const write = (at: LogLevel) => {
      // winston formats every line and lets the transport drop it: too much for a line an instance that nobody reads.
      if (LEVELS[at] > LEVELS[level]) return () => undefined;
      return (message: string, fields?: LogFields) =>
        void winston.log({ level: at, message, fields: { ...bound, ...fields } });
    };
    return {
      error: write('error'),
      warn: write('warn'),
      info: write('info'),
      debug: write('debug'),
      child: (fields) => bind({ ...bound, ...fields }),
    };
  };
  return bind({});
}

const redacted = format((info) => ({
  ...info,
  message: loggableText(String(info.message)),
  fields: loggable(fieldsOf(info), info.level === 'error'),
}));

function asJson(info: Logform.TransformableInfo): string {
  const own = { time: new Date().toISOString(), level: info.level, message: info.message };
  // First for the reader, and last again: no field can pass for what the line says of itself.
  return JSON.stringify(Object.assign({}, own, fieldsOf(info), own));
}

function asText(info: Logform.TransformableInfo): string {
  const { stack, ...fields } = flat(fieldsOf(info));
  const text = Object.entries(fields).map(([key, value]) => ` ${key}=${textOf(value)}`);
  const time = new Date().toISOString().slice(11, 23);
  return `${time} ${info.level.padEnd(5)} ${String(info.message)}${text.join('')}${typeof stack === 'string' ? `\n${stack}` : ''}`;
}

/** An error's parts beside the other fields, so that the line reads on. */
function flat(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { error } = fields;
  if (typeof error !== 'object' || error === null) return fields;
  const { name, message, stack, ...rest } = error as Readonly<Record<string, unknown>>;
  return { ...fields, error: `${String(name)}: ${String(message)}`, ...rest, stack };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}

function fieldsOf(info: Logform.TransformableInfo): Readonly<Record<string, unknown>> {
  // `write` above is the only one that logs.
  return info['fields'] as Readonly<Record<string, unknown>>;
}
