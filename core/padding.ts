/**
 * What DICOM values are padded with to even length (PS3.5 Section 6.2): spaces, and a NUL for UIDs; some peers swap them.
 * Loops instead of `/[\0 ]+$/`: a peer's 64 KiB of spaces with a letter behind them would keep that busy for seconds.
 */

const NUL = 0x00;
const SPACE = 0x20;

/** Without the padding behind it. */
export function withoutTrailingPadding(text: string): string {
  let end = text.length;
  while (end > 0 && isPadding(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** Without the padding on both sides; NULs in front only where `leading` says so. */
export function withoutPadding(text: string, leading: 'spaces' | 'spaces and NULs' = 'spaces'): string {
  const shorter = withoutTrailingPadding(text);
  let start = 0;
  while (start < shorter.length) {
    const code = shorter.charCodeAt(start);
    if (code !== SPACE && (code !== NUL || leading === 'spaces')) break;
    start += 1;
  }
  return shorter.slice(start);
}

function isPadding(code: number): boolean {
  return code === NUL || code === SPACE;
}
