/** The answer to a STOW-RS request: which instances the origin server has, and why not the others (PS3.18 Section 10.5.3). */
import * as z from 'zod';
import { TAG } from '../../core/dicom/tags.ts';

export interface StoreResponse {
  /** SOP Instance UIDs of the Referenced SOP Sequence; undefined when the answer has none. */
  readonly stored: ReadonlySet<string> | undefined;
  /** Failure Reason by SOP Instance UID, of the Failed SOP Sequence. */
  readonly failed: ReadonlyMap<string, number>;
}

const element = z.looseObject({ Value: z.array(z.unknown()).optional() });
const dataSet = z.record(z.string(), element);

const key = (tag: number): string => tag.toString(16).toUpperCase().padStart(8, '0');
const REFERENCED_SOP_SEQUENCE = key(TAG.ReferencedSOPSequence);
const FAILED_SOP_SEQUENCE = key(TAG.FailedSOPSequence);
const REFERENCED_SOP_INSTANCE_UID = key(TAG.ReferencedSOPInstanceUID);
const FAILURE_REASON = key(TAG.FailureReason);
/** PS3.3 Section C.14.1.1: Processing failure */
const PROCESSING_FAILURE = 0x0110;

/** Reads application/dicom+json; undefined when the body is not that. */
export function parseStoreResponse(body: Uint8Array): StoreResponse | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    // An HTML error page, XML or nothing: the caller decides what the status alone is worth.
    return undefined;
  }
  // PS3.18 Annex F allows one data set or an array of them.
  const parsed = z.union([dataSet, z.array(dataSet).min(1)]).safeParse(json);
  if (!parsed.success) return undefined;
  const [first] = Array.isArray(parsed.data) ? parsed.data : [parsed.data];
  if (first === undefined) return undefined;

  const failed = new Map<string, number>();
  for (const item of itemsOf(first, FAILED_SOP_SEQUENCE) ?? []) {
    const uid = item[REFERENCED_SOP_INSTANCE_UID]?.Value?.[0];
    const reason = Number(item[FAILURE_REASON]?.Value?.[0]);
    if (typeof uid === 'string') failed.set(uid, Number.isInteger(reason) ? reason : PROCESSING_FAILURE);
  }
  const stored = itemsOf(first, REFERENCED_SOP_SEQUENCE)
    ?.map((item) => item[REFERENCED_SOP_INSTANCE_UID]?.Value?.[0])
    .filter((uid) => typeof uid === 'string');
  return { stored: stored === undefined ? undefined : new Set(stored), failed };
}

function itemsOf(of: z.infer<typeof dataSet>, sequence: string): readonly z.infer<typeof dataSet>[] | undefined {
  const items = z.array(dataSet).safeParse(of[sequence]?.Value);
  return items.success ? items.data : undefined;
}
