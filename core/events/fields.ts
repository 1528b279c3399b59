/** Fields that events of several streams have. */
import * as z from 'zod';

export const uid = z.string().regex(/^[0-9.]{1,64}$/);
export const name = z.string().min(1).max(64);
export const count = z.int().min(0);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Fields that say which run of which route produced a result. */
export const run = {
  studyInstanceUid: uid,
  revision: z.int().min(1),
  runId: z.uuid(),
  route: name,
  /** Of the configuration that routed it. On `study.routed` since the first version, so it is said again there. */
  configVersion: z.string().optional(),
};
