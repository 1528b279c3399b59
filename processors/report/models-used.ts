/** Which models a run has used, as its earlier steps wrote down. */
import * as z from 'zod';
import type { ArtefactItem, ObjectStore, RunItem } from '../../core/store.ts';
import type { ModelUsed } from './page.ts';

/** Of `segment/result.json`, what names the model. */
const schema = z.object({
  model: z.string().max(128),
  modelVersion: z.string().max(64),
  modelSha256: z.string().max(64),
  manifestSha256: z.string().max(64),
});
const RESULT = 'segment/result.json';
const MAX_BYTES = 16 * 1024 * 1024;

/** @throws {HubError} `store.*` */
export async function modelsUsed(items: readonly RunItem[], store: ObjectStore): Promise<readonly ModelUsed[]> {
  const results = items.filter((item): item is ArtefactItem => item.kind === 'artefact' && item.name === RESULT);
  const models = new Map<string, ModelUsed>();
  for (const item of results) {
    if (item.sizeBytes > MAX_BYTES) continue;
    const source = await store.open(item.blob);
    try {
      const parsed = schema.parse(JSON.parse(Buffer.from(await source.read(0, source.sizeBytes)).toString('utf8')));
      const { model: name, modelVersion: version, modelSha256: onnxSha256, manifestSha256 } = parsed;
      models.set(onnxSha256, { name, version, onnxSha256, manifestSha256 });
    } finally {
      await source.close();
    }
  }
  return [...models.values()];
}
