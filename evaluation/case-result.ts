/** What became of one case: kept as a file as soon as it is known, and part of the report. */
import * as z from 'zod';

const mm = z.number().min(0);

/** Null is a volume that was never predicted. */
export const scoresSchema = z.strictObject({
  dice: z.number().min(0).max(1),
  nsd: z.number().min(0).max(1).describe('at τ = toleranceMm'),
  hd95Mm: mm,
  assdMm: mm,
  referenceMm3: mm,
  predictedMm3: mm.nullable(),
  volumeDifferenceMm3: z.number().nullable().describe('predicted less reference'),
  volumeDifferencePercent: z.number().nullable(),
});
export type Scores = z.infer<typeof scoresSchema>;

export const caseResultSchema = z.strictObject({
  name: z.string(),
  subject: z.string(),
  strata: z.record(z.string(), z.string()).describe('species, scanner, site, sequence, as far as they are known'),
  key: z.string().describe('digest of everything the result depends on; another key is another result'),
  scanSha256: z.string(),
  referenceSha256: z.string(),
  outcome: z.enum(['scored', 'failed']),
  failure: z.string().optional().describe('what the model did instead of answering; counted as Dice 0'),
  seconds: z.number().describe('from the volume in memory to the masks, the start of the process included'),
  networkSeconds: z.number().optional(),
  peakRssMb: z
    .number()
    .optional()
    .describe('of the process that held the network; absent where the system does not say'),
  runtime: z.string().optional(),
  toleranceMm: mm.describe('τ of NSD: one voxel within the slice'),
  diagonalMm: mm.describe('what distances are when one of two masks is empty'),
  voxelMm3: mm,
  isMarkedDeidentified: z.boolean().optional().describe('Patient Identity Removed (0012,0062); absent for NIfTI'),
  notes: z.array(z.string()),
  labels: z.array(z.strictObject({ index: z.int(), scores: scoresSchema })),
});
export type CaseResult = z.infer<typeof caseResultSchema>;

/** A case that says nothing of the model. */
export const leftOutSchema = z.strictObject({ name: z.string(), reason: z.string() });
export type LeftOut = z.infer<typeof leftOutSchema>;
