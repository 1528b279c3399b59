/** The typeface of everything written into a picture or a page: one file, so that a second run draws the same. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export type Face = 'regular' | 'bold';

/** DejaVu Sans: free to be embedded, with Greek letters, superscripts and the letters of the languages of Europe. */
const FILES: Readonly<Record<Face, string>> = {
  regular: 'dejavu-fonts-ttf/ttf/DejaVuSans.ttf',
  bold: 'dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf',
};
const read = new Map<Face, Buffer>();

/** The font's file, TrueType. */
export function fontFile(face: Face): Buffer {
  const known = read.get(face) ?? readFileSync(createRequire(import.meta.url).resolve(FILES[face]));
  read.set(face, known);
  return known;
}
