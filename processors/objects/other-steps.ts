/** What an earlier step of the run said about a study's scans, for a report that tells all of it. */
import * as z from 'zod';
import type { ArtefactItem, ObjectStore, RunItem } from '../../core/store.ts';

/** A report of hundreds of series is some megabytes. */
const MAX_BYTES = 64 * 1024 * 1024;

const qualityReport = z.object({
  series: z.array(
    z.object({
      seriesInstanceUid: z.string(),
      verdict: z.enum(['pass', 'warn', 'fail', 'not-enough-history']),
      findings: z.array(z.string()),
    }),
  ),
});
export type SaidOfQuality = z.infer<typeof qualityReport>['series'][number];

const segmentResult = z.object({
  model: z.string(),
  modelVersion: z.string(),
  series: z.array(
    z.object({
      seriesInstanceUid: z.string(),
      labels: z.array(z.object({ name: z.string(), volumeMm3: z.number() })).optional(),
    }),
  ),
});
export type SaidOfVolumes = z.infer<typeof segmentResult>;

/** By series; empty where quality control has not run. */
export async function saidOfQuality(
  items: readonly RunItem[],
  store: ObjectStore,
): Promise<ReadonlyMap<string, SaidOfQuality>> {
  const report = await readJson('qc/report.json', items, store);
  const parsed = qualityReport.safeParse(report);
  return new Map(parsed.success ? parsed.data.series.map((series) => [series.seriesInstanceUid, series]) : []);
}

/** Of the last segmentation that has run. */
export async function saidOfVolumes(items: readonly RunItem[], store: ObjectStore): Promise<SaidOfVolumes | undefined> {
  return segmentResult.safeParse(await readJson('segment/result.json', items, store)).data;
}

async function readJson(name: string, items: readonly RunItem[], store: ObjectStore): Promise<unknown> {
  const item = items.findLast((each): each is ArtefactItem => each.kind === 'artefact' && each.name === name);
  if (item === undefined || item.sizeBytes > MAX_BYTES) return undefined;
  const source = await store.open(item.blob);
  try {
    // Ours: what does not parse is a defect and says so.
    return JSON.parse(Buffer.from(await source.read(0, source.sizeBytes)).toString('utf8'));
  } finally {
    await source.close();
  }
}
