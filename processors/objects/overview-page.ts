/**
 * One page a scan for whoever's PACS shows nothing but pictures: a contact sheet with outlines, the numbers beside their
 * colours, and that it is for research. No name and no free text of the header is written into the pixels.
 */
import { type Canvas, drawText, type Lettering, type Rgb, widthOf } from './letters.ts';
import { outlineColour } from './outlines.ts';

export const WARNING = 'NOT FOR DIAGNOSIS - RESEARCH ONLY';

/** A line below the picture. */
export interface PageLine {
  readonly text: string;
  /** Of what it is about, as it is drawn in the picture. */
  readonly colour?: Rgb;
}

export interface PageContent {
  readonly title: string;
  readonly lines: readonly PageLine[];
}

const MIN_WIDTH = 720;
const SIZE = 18;
const LINE = 26;
const MARGIN = 12;
const SWATCH = 14;
const MAX_LINES = 80;
const WHITE: Rgb = [235, 235, 235];
const GREY: Rgb = [180, 180, 180];
const RED: Rgb = [255, 80, 64];

/** @param sheet - the slices, as they are drawn elsewhere too */
export function overviewPage(sheet: Canvas, content: PageContent): Canvas {
  const width = Math.max(MIN_WIDTH, sheet.width + 2 * MARGIN);
  const lines = content.lines.slice(0, MAX_LINES).flatMap((line) => wrapped(line, width - 2 * MARGIN - 2 * SWATCH));
  const head = MARGIN + 2 * LINE;
  const height = head + sheet.height + MARGIN + lines.length * LINE + MARGIN;
  const page: Canvas = { width, height, data: new Uint8Array(3 * width * height) };

  drawText(page, MARGIN, MARGIN + SIZE, WARNING, letters('bold', RED));
  drawText(page, MARGIN, MARGIN + LINE + SIZE, content.title, letters('regular', WHITE));
  const left = Math.floor((width - sheet.width) / 2);
  for (let y = 0; y < sheet.height; y += 1)
    page.data.set(sheet.data.subarray(3 * y * sheet.width, 3 * (y + 1) * sheet.width), 3 * ((head + y) * width + left));
  lines.forEach(({ text, colour }, index) => {
    const top = head + sheet.height + MARGIN + index * LINE;
    if (colour !== undefined) swatch(page, MARGIN, top + 5, colour);
    drawText(page, MARGIN + 2 * SWATCH, top + SIZE, text, letters('regular', GREY));
  });
  return page;
}

/** A line for each label, in its colour. */
export function labelLines(labels: readonly { readonly text: string; readonly rgb: Rgb }[]): readonly PageLine[] {
  return labels.map(({ text, rgb }) => ({ text, colour: outlineColour({ rgb }, labels.length) }));
}

function letters(face: Lettering['face'], colour: Rgb): Lettering {
  return { size: SIZE, face, colour };
}

function swatch({ width, data }: Canvas, left: number, top: number, colour: Rgb): void {
  for (let y = top; y < top + SWATCH; y += 1)
    for (let x = left; x < left + SWATCH; x += 1) data.set(colour, 3 * (y * width + x));
}

/** Broken between words where it is too long. */
function wrapped({ text, colour }: PageLine, width: number): readonly PageLine[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1) ?? ''} ${word}`;
    if (lines.length > 0 && widthOf(longer, { size: SIZE, face: 'regular' }) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map((line, index) => ({ text: line, ...(index === 0 && colour !== undefined ? { colour } : {}) }));
}
