/** Pictures as answers: of an instance, of frames, of a series or a study, and the one that stands for all. */
import type { Request, Response } from 'express';
import { HubError } from '../../core/errors.ts';
import type { InstanceItem } from '../../core/store.ts';
import { acceptedRanges } from './accept.ts';
import { isFresh, sendMultipart, sendStream, type OutgoingPart } from './wado-answer.ts';
import type { Part10Ports } from './wado-part10.ts';
import { choosePictures, hasNoPicture, parsePictureRequest, pictureOf } from './wado-rendered.ts';
import { urlOf, type Retrieval } from './wado-retrieval.ts';
import type { InstanceOpener } from './wado-source.ts';

/** Pictures of one instance. A few bytes of header may name millions of frames: there is no list of all of them. */
export interface PicturesOf {
  readonly item: InstanceItem;
  readonly count: number;
  /** The frame of a picture, both from 0. */
  readonly frame: (n: number) => number;
}

export async function sendRendered(
  request: Request,
  response: Response,
  { items, isOneInstance, signal }: Retrieval,
  ports: Part10Ports,
): Promise<void> {
  const pictures: PicturesOf[] = [];
  for (const item of items) {
    const count = await numberOfPictures(item, ports.opener, !isOneInstance);
    if (count > 0) pictures.push({ item, count, frame: (n) => n });
  }
  if (pictures.length === 0) throw new HubError('resource.not-found', { detail: 'nothing here has a picture' });
  await sendPictures(request, response, pictures, false, ports, signal);
}

/** PS3.18 Section 10.4.1.1.7: one picture that stands for all; here the one in the middle, where most is to be seen. */
export async function sendThumbnail(
  request: Request,
  response: Response,
  { items, isOneInstance, signal }: Retrieval,
  ports: Part10Ports,
): Promise<void> {
  const middle = Math.floor(items.length / 2);
  const candidates = [...items.slice(middle), ...items.slice(0, middle).toReversed()].slice(0, MAX_CANDIDATES);
  for (const item of candidates) {
    const count = await numberOfPictures(item, ports.opener, !isOneInstance);
    if (count === 0) continue;
    await sendPictures(
      request,
      response,
      [{ item, count: 1, frame: () => Math.floor(count / 2) }],
      true,
      ports,
      signal,
    );
    return;
  }
  throw new HubError('resource.not-found', { detail: 'nothing here has a picture' });
}

/** Instances looked at for a thumbnail before it is given up. */
const MAX_CANDIDATES = 16;

async function numberOfPictures(item: InstanceItem, opener: InstanceOpener, goesWithout: boolean): Promise<number> {
  const instance = await opener.open(item);
  try {
    return (await instance.pixels()).description.numberOfFrames;
  } catch (error) {
    if (goesWithout && hasNoPicture(error)) return 0;
    throw error;
  } finally {
    await instance.close();
  }
}

export async function sendPictures(
  request: Request,
  response: Response,
  pictures: readonly PicturesOf[],
  isThumbnail: boolean,
  { opener, workers }: Part10Ports,
  signal: AbortSignal,
): Promise<void> {
  const count = pictures.reduce((sum, one) => sum + one.count, 0);
  const { form, type } = choosePictures(acceptedRanges(request), count === 1);
  const asked = parsePictureRequest(request.query, isThumbnail);
  // The whole instance, or what the URL names: the first one and their number do.
  const of = pictures.map(({ item, frame, count: own }) => `${item.sha256} ${frame(0)} ${own}`);
  const variant = `${form} ${type} ${JSON.stringify(asked)}`;
  if (isFresh(request, response, { of, variant })) return;
  const render = async (item: InstanceItem, frame: number): Promise<Uint8Array> => {
    const instance = await opener.open(item);
    try {
      return await pictureOf(instance, frame, type, asked, workers, signal);
    } finally {
      await instance.close();
    }
  };
  const [only] = pictures;
  if (form === 'single' && only !== undefined) {
    await sendStream(
      request,
      response,
      type,
      onceMade(() => render(only.item, only.frame(0))),
    );
    return;
  }
  await sendMultipart(request, response, type, parts());

  function* parts(): Generator<OutgoingPart> {
    for (const { item, frame: frameOf, count: own } of pictures)
      for (let n = 0; n < own; n++) {
        const frame = frameOf(n);
        const location = `${urlOf(request, item)}/frames/${frame + 1}/rendered`;
        yield { contentType: type, location, body: onceMade(() => render(item, frame)) };
      }
  }
}

async function* onceMade(make: () => Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield await make();
}
