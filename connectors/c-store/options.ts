/** What a destination of the type `c-store` is configured with. */
import * as z from 'zod';
import { parseAeTitle } from '../../core/identifiers.ts';
import { duration } from '../../core/quantities.ts';
import { destinationOptions, secretReference } from '../destination-options.ts';

const TIMEOUTS = { connect: '10s', association: '30s', response: '120s' };

const COMMITMENT = { sameAssociation: '5s', wait: '1h' };

const aeTitle = z.string().refine((text) => isAeTitle(text), 'one to 16 printable characters, no backslash');

export const options = z.strictObject({
  ...destinationOptions,
  type: z.literal('c-store'),
  verify: z
    .enum(['none', 'after', 'commitment'])
    .default('none')
    .describe('after: C-FIND for what it confirmed; commitment: a storage commitment. What is missing goes again.'),
  commitment: z
    .strictObject({
      sameAssociation: duration('0ms', '10m')
        .prefault(COMMITMENT.sameAssociation)
        .describe('How long the association of the request is kept open for the report.'),
      wait: duration('100ms', '30d')
        .prefault(COMMITMENT.wait)
        .describe('How long the report is waited for that comes on an association of the destination.'),
      requests: z
        .int()
        .min(1)
        .max(10)
        .default(2)
        .describe('So often it is asked when no report comes, before it is asked with C-FIND.'),
    })
    .prefault({})
    .describe('With verify: commitment.'),
  host: z.string().min(1),
  port: z.int().min(1).max(65_535),
  aeTitle: aeTitle.describe('Called AE title.'),
  callingAeTitle: aeTitle.default('HUB').describe('Our own AE title, as the peer knows it.'),
  tls: z
    .strictObject({
      ca: secretReference.optional().describe('PEM of the authorities to trust in place of the usual ones.'),
      certificate: secretReference.optional().describe('Our certificate, PEM.'),
      key: secretReference.optional().describe('Its key, PEM.'),
      serverName: z.string().min(1).optional().describe("Name in the peer's certificate, where it is not the host."),
    })
    .optional(),
  transcode: z
    .enum(['none', 'explicit-little-endian'])
    .default('none')
    .describe('What an instance may be made when the peer does not take its transfer syntax; none: it is refused.'),
  keepAssociation: duration('0ms', '10m')
    .prefault('5s')
    .describe('An association that is not used is kept so long for the next delivery; 0s: each has its own.'),
  timeouts: z
    .strictObject({
      connect: duration('100ms', '5m').prefault(TIMEOUTS.connect),
      association: duration('100ms', '5m')
        .prefault(TIMEOUTS.association)
        .describe('For the answer to an association request.'),
      response: duration('100ms', '1h')
        .prefault(TIMEOUTS.response)
        .describe('For a C-STORE-RSP, or for taking more bytes.'),
    })
    .prefault({}),
});
export type CStoreOptions = z.infer<typeof options>;

function isAeTitle(text: string): boolean {
  try {
    parseAeTitle(text);
    return true;
  } catch {
    // The schema says what an AE title is.
    return false;
  }
}
