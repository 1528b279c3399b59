/** The HTTP port: where it listens, who may use it without a token, and which pages elsewhere may. */
import { z } from 'zod';
import { port, singleHost } from './entries.ts';

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
});
