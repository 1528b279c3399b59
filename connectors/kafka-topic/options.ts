/** What a destination of the type `kafka-topic` is configured with. */
import * as z from 'zod';
import { destinationOptions, secretReference } from '../destination-options.ts';
import { isPlaceholder, placeholdersIn } from '../file-layout.ts';

export const options = z
  .strictObject({
    ...destinationOptions,
    type: z.literal('kafka-topic'),
    brokers: z
      .array(
        z
          .string()
          .regex(
            /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})):([1-9]\d{0,4})$/,
            'not a broker like kafka-1.example.org:9092',
          ),
      )
      .min(1)
      .max(32)
      .describe('Some of them; the others are found by themselves.'),
    topic: z
      .string()
      .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, 'a topic has letters, digits, dots, hyphens and underscores'),
    link: z
      .string()
      .max(1_000)
      .refine(
        (text) => placeholdersIn(text).every(isPlaceholder) && placeholdersIn(text).includes('instance'),
        'not a link with {instance}, and perhaps {study}, {series}, {partner}, {destination}, {revision}',
      )
      .optional()
      .describe('Where an instance can be had; stands in its message as url.'),
    tls: z
      .strictObject({
        ca: secretReference.optional(),
        certificate: secretReference.optional(),
        key: secretReference.optional(),
      })
      .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
        message: 'certificate and key belong together',
      })
      .optional(),
    sasl: z
      .strictObject({
        mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
        username: z.string().min(1).max(255),
        password: secretReference,
      })
      .optional(),
  })
  .superRefine((given, context) => {
    if (given.sasl?.mechanism !== 'plain' || given.tls !== undefined) return;
    const message = 'plain sends the password in the clear: only with tls';
    context.addIssue({ code: 'custom', path: ['sasl', 'mechanism'], message, input: given });
  });
export type KafkaTopicOptions = z.infer<typeof options>;
