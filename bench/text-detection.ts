/**
 * `npm run bench -- text-detection`: recall of the text detector on pictures made here, by how the text is written, false
 * findings on pictures without text, and time a frame. A line counts as found when nineteen twentieths of its ink would be blanked.
 */
import {
  FONT_NAMES,
  backgroundSlice,
  textImage,
  type TextStyle,
} from '../tests/processors/deidentify/pixels/text-images.ts';
import { coverage, pictureOf } from '../tests/processors/deidentify/pixels/text-recall.ts';
import { openTextDetector } from '../processors/deidentify/pixels/text-detector.ts';

const SIZES = [256, 512] as const;
const LINE_HEIGHTS = [8, 10, 12, 16, 24] as const;
const CONTRASTS = [0.6, 1, 2] as const;
const EMPTY_PICTURES = 20;

/** @param args - `--few`: a third of the pictures */
export async function benchTextDetection(args: readonly string[]): Promise<void> {
  const detector = await openTextDetector(new AbortController().signal);
  try {
    for (const size of SIZES) {
      const tally = new Tally();
      let seed = size;
      for (const style of styles(args.includes('--few') ? 3 : 1)) {
        seed += 1;
        const image = textImage(seed, size, style);
        const startedAt = performance.now();
        const regions = await detector.find(pictureOf(image));
        tally.time(performance.now() - startedAt);
        const seen = coverage(image, regions);
        for (const share of seen.lines) tally.line(labelsOf(style), share >= 0.95);
        tally.ink(seen.inkCovered, seen.ink, seen.blanked, seen.nearText);
      }
      let falseFindings = 0;
      for (let n = 0; n < EMPTY_PICTURES; n++) {
        const picture = pictureOf({ rows: size, columns: size, values: backgroundSlice(10_000 + n, size) });
        falseFindings += (await detector.find(picture)).length;
      }
      console.log(`${String(size)} x ${String(size)}: ${tally.report()}`);
      console.log(`  false findings on ${String(EMPTY_PICTURES)} pictures without text: ${String(falseFindings)}`);
    }
  } finally {
    await detector.close();
  }
}

/** Every height with every contrast and turn; fonts and the rest go round, so that no two always come together. */
function* styles(every: number): Generator<TextStyle> {
  let n = 0;
  for (const sizePx of LINE_HEIGHTS)
    for (const contrast of CONTRASTS)
      for (const turns of [0, 1, 3] as const) {
        n += 1;
        if (n % every !== 0) continue;
        const font = FONT_NAMES[n % FONT_NAMES.length] ?? 'sans';
        yield { font, sizePx, contrast, turns, isInverted: (n >> 1) % 2 === 1, isBitmap: (n >> 2) % 2 === 1 };
      }
}

function labelsOf(style: TextStyle): readonly string[] {
  return [
    `${String(style.sizePx)} px`,
    `contrast ${String(style.contrast)}`,
    style.turns === 0 ? 'upright' : 'turned',
    style.isInverted ? 'dark on light' : 'light on dark',
    style.isBitmap ? 'hard edges' : 'soft edges',
    style.font,
  ];
}

class Tally {
  readonly #lines = new Map<string, { found: number; all: number }>();
  #ink = 0;
  #inkCovered = 0;
  #blanked = 0;
  #nearText = 0;
  readonly #timesMs: number[] = [];

  time(ms: number): void {
    this.#timesMs.push(ms);
  }

  line(labels: readonly string[], isFound: boolean): void {
    for (const label of ['lines', ...labels]) {
      const counts = this.#lines.get(label) ?? { found: 0, all: 0 };
      this.#lines.set(label, { found: counts.found + (isFound ? 1 : 0), all: counts.all + 1 });
    }
  }

  ink(covered: number, all: number, blanked: number, nearText: number): void {
    this.#inkCovered += covered;
    this.#ink += all;
    this.#blanked += blanked;
    this.#nearText += nearText;
  }

  report(): string {
    const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
    const lines = [...this.#lines].map(
      ([label, { found, all }]) => `${label} ${percent(found, all)} of ${String(all)}`,
    );
    const median = this.#timesMs.toSorted((a, b) => a - b)[Math.floor(this.#timesMs.length / 2)] ?? 0;
    return [
      `ink covered ${percent(this.#inkCovered, this.#ink)}, blanked pixels next to text ${percent(this.#nearText, this.#blanked)}, ${median.toFixed(0)} ms a frame (median)`,
      ...lines.map((line) => `  ${line}`),
    ].join('\n');
  }
}
