/** What a destination of the type `webhook` is configured with. */
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import { destinationOptions, secretReference } from '../destination-options.ts';
import { createAddressGuard } from './address-guard.ts';

const written = z.strictObject({
  ...destinationOptions,
  type: z.literal('webhook'),
  // Required here: a webhook names studies, so it may only name what was released under a pseudonym.
  partner: z.string().min(1).max(64).describe('The partner whose released studies are announced.'),
  url: z.url({ protocol: /^https?$/ }).describe('Endpoint; https on port 443 or 8443 unless allowHosts names it.'),
  secret: secretReference.describe('whsec_ and base64 of 24 to 64 random bytes, by reference.'),
  previousSecret: secretReference.optional().describe('While a secret is being changed: the old one signs too.'),
  signingKey: secretReference
    .optional()
    .describe('whsk_ and base64 of 32 random bytes, by reference: signs with Ed25519 (v1a) too.'),
  allowHosts: z
    .array(z.string().min(1))
    .default([])
    .describe('Host names, *.domain, addresses or CIDR ranges that may be called though not public or not https.'),
});

/** What would be refused at each delivery is said where it is written; where a name leads to is known only then. */
export const options = written.superRefine(({ url, allowHosts }, context) => {
  if (!URL.canParse(url)) return;
  try {
    createAddressGuard(allowHosts).checkUrl(new URL(url));
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    context.addIssue({ code: 'custom', path: ['url'], message: String(error.fields['detail']) });
  }
});
export type WebhookOptions = z.infer<typeof options>;
