/** What a client wants (PS3.18 Section 8.3.3, RFC 9110 Section 12.5.1): the `accept` parameter, or else the header. */
import type { Request } from 'express';
import { parseMediaType, type MediaType } from '../../peers/dicomweb/media-type.ts';

/** A media type, with `*` where the client leaves it open. */
export type MediaRange = MediaType;

const MAX_RANGES = 64;

/** Best first; what has quality 0 is not among them. Nothing said is `*∕*`. */
export function acceptedRanges(request: Pick<Request, 'headers' | 'query'>): readonly MediaRange[] {
  const { accept } = request.query;
  // PS3.18 Section 8.3.3.1: the parameter is for clients that cannot set the header, so it wins.
  const text = typeof accept === 'string' && accept.trim() !== '' ? accept : (request.headers.accept ?? '*/*');
  const ranges = splitOutsideQuotes(text)
    .slice(0, MAX_RANGES)
    .map(parseRange)
    .filter((range) => range !== undefined && range.quality > 0);
  const sorted = ranges.filter((range) => range !== undefined).toSorted((one, other) => other.quality - one.quality);
  return sorted.length === 0 && text.trim() === '' ? [{ type: '*/*', parameters: new Map() }] : sorted;
}

/** Does a range let a media type through? Its parameters are looked at by the caller. */
export function admits(range: string, mediaType: string): boolean {
  if (range === '*/*' || range === '*' || range === mediaType) return true;
  return range.endsWith('/*') && mediaType.startsWith(range.slice(0, -1));
}

function parseRange(text: string): (MediaRange & { readonly quality: number }) | undefined {
  const range = parseMediaType(text);
  if (range.type === '') return undefined;
  const quality = Number(range.parameters.get('q') ?? 1);
  return { ...range, quality: Number.isFinite(quality) ? quality : 0 };
}

function splitOutsideQuotes(text: string): readonly string[] {
  return text.match(/(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g) ?? [];
}
