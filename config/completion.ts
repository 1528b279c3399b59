/** When a study is taken as complete: for all sources, for one, and what a route asks on top. */
import * as z from 'zod';
import { duration } from '../core/quantities.ts';
import { aeTitle, port, singleHost } from './entries.ts';
import { originServer } from './origin-server.ts';

const quiet = duration('1s', '7d');
const force = duration('1s', '30d');
const signals = {
  afterRelease: duration('0ms', '7d')
    .optional()
    .describe('So long after the sender released its association: complete'),
  afterCounts: duration('1s', '7d')
    .optional()
    .describe('Quiet for so long with all counts of the headers met: complete'),
  onCommitment: z.boolean().optional().describe('Complete when a storage commitment request names all that came'),
};

/** Of the whole gateway. */
export const completion = z
  .strictObject({ quiet: quiet.prefault('60s'), force: force.prefault('90m'), ...signals })
  .prefault({})
  .transform((written) => ({ quietMs: written.quiet, forceMs: written.force, ...signalsOf(written) }));

/** Of one source. Each may be left out where a wider section says it. */
export const partialCompletion = z
  .strictObject({
    quiet: quiet.optional().describe('No instance for so long: complete'),
    force: force.optional().describe('Complete after so long in any case'),
    ...signals,
  })
  .transform((written) => ({ ...timesOf(written), ...signalsOf(written) }));

/** Of a route. @param rule - what a series is tested with */
export function routeCompletion<Rule>(rule: z.ZodType<Rule>) {
  return z
    .strictObject({
      quiet: quiet.optional().describe('Instead of the quiet period of the source'),
      force: force.optional().describe('Instead of the longest time of the source'),
      requiredSeries: z.array(rule).max(64).default([]).describe('Rules; each must match a series'),
      whenMissing: z.enum(['proceed', 'hold']).default('proceed').describe('With one missing when the time is over'),
    })
    .transform(({ requiredSeries, whenMissing, ...times }) => ({ ...timesOf(times), requiredSeries, whenMissing }));
}

/** Where a source answers how many instances of a study it has. */
export const sourceQuery = z.union([
  z.strictObject({
    dicom: z.strictObject({
      host: singleHost,
      port,
      aeTitle,
      callingAeTitle: aeTitle.optional(),
    }),
  }),
  z.strictObject({ dicomweb: originServer }),
]);

function timesOf({ quiet: quietMs, force: forceMs }: { quiet?: number | undefined; force?: number | undefined }) {
  return { ...(quietMs === undefined ? {} : { quietMs }), ...(forceMs === undefined ? {} : { forceMs }) };
}

function signalsOf({
  afterRelease,
  afterCounts,
  onCommitment,
}: {
  afterRelease?: number | undefined;
  afterCounts?: number | undefined;
  onCommitment?: boolean | undefined;
}) {
  return {
    ...(afterRelease === undefined ? {} : { afterReleaseMs: afterRelease }),
    ...(afterCounts === undefined ? {} : { afterCountsMs: afterCounts }),
    ...(onCommitment === undefined ? {} : { onCommitment }),
  };
}
