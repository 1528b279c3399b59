/** Where work and its history live: in a file of the data folder, or in a PostgreSQL database. */
import * as z from 'zod';
import { secret } from './entries.ts';

const tls = z
  .strictObject({ ca: secret.optional(), certificate: secret.optional(), key: secret.optional() })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    message: 'certificate and key belong together',
  });

const DEFAULTS = { port: 5_432, database: 'hub', user: 'hub', poolSize: 4 };

/** One object, so that editors and `HUB_LEDGER_…` know all keys; what belongs to PostgreSQL is refused without it. */
export const ledger = z
  .strictObject({
    kind: z.enum(['sqlite', 'postgres']).default('sqlite'),
    host: z.string().min(1).max(253).optional(),
    port: z.int().min(1).max(65_535).optional(),
    // PostgreSQL cuts longer names, and a cut name is another one.
    database: z.string().min(1).max(63).optional(),
    user: z.string().min(1).max(63).optional(),
    password: secret.optional(),
    tls: tls.optional(),
    poolSize: z.int().min(1).max(50).optional(),
  })
  .prefault({})
  .transform(({ kind, ...given }, context) => {
    if (kind === 'sqlite') {
      for (const key of Object.keys(given)) {
        context.issues.push({ code: 'custom', path: [key], message: 'belongs to kind: postgres', input: given });
      }
      return { kind };
    }
    const { host } = given;
    if (host === undefined) {
      const message = 'missing: the host of the server';
      context.issues.push({ code: 'custom', path: ['host'], message, input: given });
      return z.NEVER;
    }
    return {
      kind,
      host,
      port: given.port ?? DEFAULTS.port,
      database: given.database ?? DEFAULTS.database,
      user: given.user ?? DEFAULTS.user,
      password: given.password,
      tls: given.tls,
      poolSize: given.poolSize ?? DEFAULTS.poolSize,
    };
  });
