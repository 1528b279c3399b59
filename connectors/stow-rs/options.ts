/** What a destination of the type `stow-rs` is configured with. */
import * as z from 'zod';
import { duration, size } from '../../core/quantities.ts';
import { destinationOptions, secretReference, verifyAfter } from '../destination-options.ts';

const ANSWER_TIMEOUT = '120s';
/** What Orthanc's own STOW-RS client sends at once. */
const BATCH = { instances: 10, size: '10MB' };

export const options = z.strictObject({
  ...destinationOptions,
  type: z.literal('stow-rs'),
  verify: verifyAfter,
  url: z.url({ protocol: /^https?$/ }).describe('Base of the DICOMweb service; /studies is added.'),
  auth: z
    .union([
      z.strictObject({ bearer: secretReference }),
      z.strictObject({ basic: z.strictObject({ user: z.string().min(1), password: secretReference }) }),
      z.strictObject({
        oauth2: z.strictObject({
          tokenUrl: z.url({ protocol: /^https?$/ }),
          clientId: z.string().min(1),
          clientSecret: secretReference,
          scope: z.string().min(1).optional(),
          audience: z.string().min(1).optional(),
          credentialsIn: z.enum(['header', 'form']).default('header'),
        }),
      }),
    ])
    .optional()
    .describe('Credentials, by reference.'),
  tls: z
    .strictObject({
      ca: secretReference.optional().describe('PEM of the authorities to trust in place of the usual ones.'),
      certificate: secretReference.optional().describe('Our certificate, PEM.'),
      key: secretReference.optional().describe('Its key, PEM.'),
    })
    .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
      message: 'certificate and key belong together',
    })
    .optional()
    .describe('Of the service, and of the token server.'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]+$/), z.string())
    .optional()
    .describe('Sent with each request.'),
  batch: z
    .strictObject({
      instances: z.int().min(1).max(1000).default(BATCH.instances),
      size: size('1kB', '4GB').prefault(BATCH.size),
    })
    .prefault({})
    .describe('Most that goes in one request; a larger instance goes alone.'),
  answerTimeout: duration('100ms', '1h').prefault(ANSWER_TIMEOUT).describe('Longest silence of the server.'),
});
export type StowOptions = z.infer<typeof options>;
