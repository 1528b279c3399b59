/** Single values of the configuration that several sections share: names, secrets, hosts, ports, AE titles. */
import { isIP } from 'node:net';
import * as z from 'zod';
import { parseAeTitle, type AeTitle } from '../core/identifiers.ts';

/** Names are labels of metrics and parts of file and topic names. */
export const entryName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,63}$/,
    'a name has lower-case letters, digits and hyphens, at most 64, and begins with no hyphen',
  );

/** Never written out: the name of an environment variable, or a file that has it. */
export const secret = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
]);

/** 0 is any free port. */
export const port = z.int().min(0).max(65_535);

export const aeTitle = z
  .string()
  .transform((text, context): AeTitle => {
    try {
      return parseAeTitle(text);
    } catch {
      // parseAeTitle says no more than that.
      context.issues.push({
        code: 'custom',
        message: 'not an AE title: 1 to 16 printable characters, no backslash',
        input: text,
      });
      return z.NEVER;
    }
  })
  .meta({ minLength: 1, maxLength: 16 });

/** One machine, no range: to listen on, or to connect to. */
export const singleHost = z
  .string()
  .refine((text) => isIP(text) !== 0 || isHostName(text), 'not an IP address or host name');

/** Who may connect: an address, a range, or a name that is looked up. */
export const peerHost = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || isRange(text) || isHostName(text),
    'not an IP address, range (10.0.0.0/8) or host name',
  );

/** RFC 1123. All-numeric names are taken for mistyped addresses. */
function isHostName(text: string): boolean {
  const labels = text.split('.');
  const isNumeric = labels.every((label) => /^\d+$/.test(label));
  return (
    text.length <= 253 && !isNumeric && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$/i.test(label))
  );
}

function isRange(text: string): boolean {
  const [, address = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128);
}
