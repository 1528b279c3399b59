/** Pictures (PS3.18 Sections 8.3.5 and 10.4.1.1.6): what a browser shows without knowing DICOM. */
import type { Request } from 'express';
import { HubError, toHubError } from '../../core/errors.ts';
import type { PictureType } from '../../pixels/jobs.ts';
import { presentationOf, type Window, type WindowFunction } from '../../pixels/presentation.ts';
import { MAX_VIEWPORT, type Viewport } from '../../pixels/viewport.ts';
import type { PixelWorkers } from '../../pixels/workers.ts';
import { admits, type MediaRange } from './accept.ts';
import type { OpenedInstance } from './wado-source.ts';

export interface PictureRequest {
  readonly window: Window | undefined;
  readonly viewport: Viewport | undefined;
  readonly quality: number;
}

const TYPES: readonly PictureType[] = ['image/jpeg', 'image/png'];
const MULTIPART = 'multipart/related';
const DEFAULT_QUALITY = 90;
const FUNCTIONS: readonly WindowFunction[] = ['linear', 'linear-exact', 'sigmoid'];
const THUMBNAIL: Viewport = { width: 128, height: 128 };

/**
 * @param isOne - the resource is one picture; several are multipart only, for one of them would be mistaken for all
 * @throws {HubError} `request.not-acceptable`
 */
export function choosePictures(
  ranges: readonly MediaRange[],
  isOne: boolean,
): { readonly form: 'single' | 'multipart'; readonly type: PictureType } {
  for (const range of ranges) {
    if (range.type === MULTIPART || !isOne) {
      if (!admits(range.type, MULTIPART)) continue;
      const inner = range.type === MULTIPART ? (range.parameters.get('type')?.toLowerCase() ?? '*/*') : '*/*';
      const type = TYPES.find((one) => admits(inner, one));
      if (type !== undefined) return { form: 'multipart', type };
      continue;
    }
    const type = TYPES.find((one) => admits(range.type, one));
    if (type !== undefined) return { form: 'single', type };
  }
  const forms = `${MULTIPART} of ${TYPES.join(' or ')}`;
  throw new HubError('request.not-acceptable', {
    detail: isOne ? `a picture is ${TYPES.join(' or ')}` : `several pictures are ${forms}; /frames/1/rendered is one`,
  });
}

/** @throws {HubError} `request.invalid` */
export function parsePictureRequest(query: Request['query'], isThumbnail: boolean): PictureRequest {
  for (const unsupported of ['annotation', 'iccprofile'])
    if (query[unsupported] !== undefined && query[unsupported] !== 'no')
      throw new HubError('request.invalid', { detail: `${unsupported} is not supported` });
  const quality = numbersOf(query, 'quality', 1, 1)?.[0] ?? DEFAULT_QUALITY;
  if (!Number.isInteger(quality) || quality < 1 || quality > 100)
    throw new HubError('request.invalid', { detail: 'quality is 1 to 100' });
  return {
    window: isThumbnail ? undefined : parseWindow(query),
    viewport: parseViewport(query) ?? (isThumbnail ? THUMBNAIL : undefined),
    quality,
  };
}

/** Section 8.3.5.1.4: `center,width,function`. */
function parseWindow(query: Request['query']): Window | undefined {
  const text = textOf(query, 'window');
  if (text === undefined) return undefined;
  const [center = '', width = '', shape = 'linear', ...more] = text.split(',').map((part) => part.trim());
  const found = FUNCTIONS.find((one) => one === shape.toLowerCase());
  const isValid = isNumber(center) && isNumber(width) && Number(width) > 0 && more.length === 0;
  if (!isValid || found === undefined || (found === 'linear' && Number(width) < 1))
    throw new HubError('request.invalid', { detail: `window is center,width,${FUNCTIONS.join('|')}` });
  return { center: Number(center), width: Number(width), function: found };
}

/** Section 8.3.5.1.3: `vw,vh` or `vw,vh,sx,sy,sw,sh`, where the last four may be left out from the end. */
function parseViewport(query: Request['query']): Viewport | undefined {
  const [width, height, x, y, sourceWidth, sourceHeight] = numbersOf(query, 'viewport', 2, 6) ?? [];
  if (width === undefined || height === undefined) return undefined;
  const isSize = (value: number) => Number.isInteger(value) && value >= 1 && value <= MAX_VIEWPORT;
  if (!isSize(width) || !isSize(height))
    throw new HubError('request.invalid', { detail: `a viewport is 1 to ${MAX_VIEWPORT} pixels wide and high` });
  if (sourceWidth === 0 || sourceHeight === 0)
    throw new HubError('request.invalid', { detail: 'a region of the source has a width and a height' });
  if (x === undefined) return { width, height };
  const whole = Number.MAX_SAFE_INTEGER;
  return {
    width,
    height,
    region: { x, y: y ?? 0, width: sourceWidth ?? whole, height: sourceHeight ?? whole },
  };
}

function numbersOf(query: Request['query'], name: string, least: number, most: number): readonly number[] | undefined {
  const text = textOf(query, name);
  if (text === undefined) return undefined;
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length < least || parts.length > most || !parts.every(isNumber))
    throw new HubError('request.invalid', { detail: `${name} is ${least} to ${most} numbers` });
  return parts.map(Number);
}

function textOf(query: Request['query'], name: string): string | undefined {
  const value = query[name];
  if (value !== undefined && typeof value !== 'string')
    throw new HubError('request.invalid', { detail: `${name} may stand once` });
  return value;
}

function isNumber(text: string): boolean {
  // Each digit can be matched in one way only: else the time grows with the square of their number.
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/.test(text);
}

/** One frame as a file. @param frame - from 0 @throws {HubError} `pixels.*` */
export async function pictureOf(
  instance: OpenedInstance,
  frame: number,
  type: PictureType,
  request: PictureRequest,
  workers: PixelWorkers,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const pixels = await instance.pixels();
  const { description } = pixels;
  const prepare = async () => ({
    kind: 'render' as const,
    stored: await pixels.read(frame),
    transferSyntaxUid: instance.item.transferSyntaxUid,
    description,
    presentation: presentationOf(instance.dataSet, frame),
    ...request,
    type,
  });
  return (await workers.run(prepare, signal)).bytes;
}

/** True for what has no picture in it, which a picture of a series or study goes without. */
export function hasNoPicture(error: unknown): boolean {
  const { code } = toHubError(error);
  return code === 'resource.not-found' || code === 'pixels.unsupported' || code === 'pixels.too-large';
}
