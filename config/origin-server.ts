/** An origin server of DICOMweb (PS3.18 Section 3.7) that the hub asks: where it is, who the hub is to it, whom it trusts. */
import * as z from 'zod';
import { secret } from './entries.ts';

export const originServer = z
  .strictObject({
    url: z.url({ protocol: /^https?$/ }),
    auth: z
      .union([
        z.strictObject({ bearer: secret }),
        z.strictObject({ basic: z.strictObject({ user: z.string().min(1), password: secret }) }),
      ])
      .optional(),
    tls: z
      .strictObject({
        ca: secret.optional().describe('PEM of the authorities to trust in place of the usual ones.'),
        certificate: secret.optional().describe('Our certificate, PEM.'),
        key: secret.optional().describe('Its key, PEM.'),
      })
      .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
        message: 'certificate and key belong together',
      })
      .optional(),
  })
  .refine(({ url, tls: own }) => own === undefined || url.startsWith('https:'), {
    path: ['tls'],
    message: 'the URL says http: nothing of it is over TLS',
  });
