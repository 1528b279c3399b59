/** A retrieve that found something, and what is called by which URL. */
import type { Request } from 'express';
import type { InstanceItem } from '../../core/store.ts';
import { rootUrl } from './root-url.ts';

/** What a request is about, found. */
export interface Retrieval {
  readonly items: readonly InstanceItem[];
  readonly isOneInstance: boolean;
  readonly signal: AbortSignal;
}

/** What an answer made from them depends on. */
export function digests(items: readonly InstanceItem[]): readonly string[] {
  return items.map(({ sha256 }) => sha256);
}

/** Of an instance. */
export function urlOf(request: Request, { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: InstanceItem): string {
  return `${rootUrl(request)}/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
}
