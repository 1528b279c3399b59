/** What a destination of the type `sftp` is configured with. */
import * as z from 'zod';
import { duration } from '../../core/quantities.ts';
import { destinationOptions, secretReference, verifyAfter } from '../destination-options.ts';
import { checkLayout, layout } from '../file-layout.ts';
import { FINGERPRINT } from './host-key.ts';

const fingerprint = z.string().regex(FINGERPRINT, 'not a fingerprint as ssh-keygen -l prints it: SHA256:…');

export const options = z
  .strictObject({
    ...destinationOptions,
    type: z.literal('sftp'),
    verify: verifyAfter,
    host: z.string().min(1),
    port: z.int().min(1).max(65_535).default(22),
    user: z.string().min(1).max(255),
    auth: z
      .union([
        z.strictObject({ key: secretReference, passphrase: secretReference.optional() }),
        z.strictObject({ password: secretReference }),
      ])
      .describe('Our private key, or a password, by reference.'),
    hostKey: z
      .union([
        z.strictObject({ fingerprints: z.array(fingerprint).min(1).max(8) }),
        z.strictObject({ knownHosts: secretReference }),
      ])
      .describe('Which host key the server must show; without one nothing is sent.'),
    path: z
      .string()
      .regex(/^[^\0]{1,500}$/)
      .default('.')
      .describe('Folder on the server; below the one we are let into, unless it begins with a slash.'),
    layout,
    parallel: z.int().min(1).max(16).default(4).describe('Files under way at once, of each delivery.'),
    timeouts: z
      .strictObject({
        connect: duration('100ms', '5m').prefault('20s').describe('Until we are let in.'),
        answer: duration('100ms', '1h').prefault('60s').describe('Longest wait for an answer.'),
      })
      .prefault({}),
  })
  .superRefine(checkLayout);
export type SftpOptions = z.infer<typeof options>;
