/** The HTTP port: where it listens, who may use it without a token, and which pages elsewhere may. */
import { z } from 'zod';
import { port, secret, singleHost } from './entries.ts';
import { type Report, valueAt } from './raw-values.ts';

const MAX_ORIGINS = 32;

const origin = z
  .string()
  .refine(
    (text) => /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text,
    'not an origin: https://viewer.example.org, without a path or a slash at the end',
  );

export const http = z.strictObject({
  host: singleHost.default('127.0.0.1'),
  port: port.default(8080),
  anonymousLoopback: z.boolean().default(false),
  cors: z.array(origin).max(MAX_ORIGINS).default([]),
  metrics: z
    .strictObject({
      token: secret.optional(),
      host: singleHost.default('127.0.0.1'),
      port: port.optional(),
    })
    .prefault({}),
});

export function reportMetricsPort(raw: unknown, report: Report): void {
  const own = valueAt(raw, ['gateway', 'http', 'metrics', 'port']);
  const others = [
    valueAt(raw, ['gateway', 'http', 'port']) ?? 8080,
    valueAt(raw, ['gateway', 'dimse', 'port']) ?? 11_112,
    valueAt(raw, ['gateway', 'dimse', 'tls', 'port']),
  ];
  // 0 is any free port.
  if (own === undefined || own === 0 || !others.includes(own)) return;
  report(
    ['gateway', 'http', 'metrics', 'port'],
    'metrics need a port of their own; without this key they are at gateway.http.port',
  );
}
