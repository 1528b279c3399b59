/** Durations and sizes as people write them in the configuration: `90m`, `5GB`. Inside they are milliseconds and bytes. */
import * as z from 'zod';

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `60s`, `90m`, `500ms`, `1.5h`, `7d` as milliseconds; `undefined` when it is none. */
export function parseDuration(text: string): number | undefined {
  return quantity(text, MILLISECONDS);
}

/** `128KiB` (1024), `5GB` (1000 each step) as bytes; `undefined` when it is none. */
export function parseSize(text: string): number | undefined {
  return quantity(text, BYTES);
}

/** A duration of the configuration, in milliseconds once parsed. @param least - as people write it, inclusive */
export function duration(least = '0ms', most = '365d'): z.ZodType<number, string> {
  return quantityType('duration', parseDuration, 'a duration like 500ms, 60s, 90m, 2h or 7d', least, most);
}

/** A size of the configuration, in bytes once parsed. @param least - as people write it, inclusive */
export function size(least = '0B', most = '1000TB'): z.ZodType<number, string> {
  return quantityType('size', parseSize, 'a size like 128KiB, 500MB or 5GB', least, most);
}

function quantityType(
  kind: 'duration' | 'size',
  parse: (text: string) => number | undefined,
  example: string,
  least: string,
  most: string,
): z.ZodType<number, string> {
  const [low = 0, high = Infinity] = [parse(least), parse(most)];
  return z
    .string({
      error: (issue) =>
        typeof issue.input === 'number' ? `a number without its unit: write ${example}` : `not ${example}`,
    })
    .transform((text, context) => {
      const value = parse(text);
      const message =
        value === undefined
          ? `not ${example}`
          : value < low
            ? `at least ${least}`
            : value > high
              ? `at most ${most}`
              : undefined;
      if (message === undefined && value !== undefined) return value;
      context.issues.push({ code: 'custom', message: message ?? '', input: text });
      return z.NEVER;
    })
    .meta({ description: `Written as ${example}`, pattern: PATTERNS[kind] });
}

const PATTERNS = {
  duration: `^\\d+(\\.\\d+)?(${Object.keys(MILLISECONDS).join('|')})$`,
  size: `^\\d+(\\.\\d+)?(${Object.keys(BYTES).join('|')})$`,
};

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text.trim()) ?? [];
  const factor = units[unit];
  return factor === undefined ? undefined : Math.round(Number(count) * factor);
}
