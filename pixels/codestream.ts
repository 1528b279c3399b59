/**
 * What a compressed frame says of itself, read from its header before a decoder sees it: a decoder allocates what the
 * codestream asks for, so a few bytes could ask for all memory there is.
 */

export interface CodestreamSize {
  readonly columns: number;
  readonly rows: number;
  readonly components: number;
  readonly bitsPerSample: number;
}

const JPEG_SOI = 0xffd8;
const J2K_SOC = 0xff4f;
/** ISO/IEC 15444-1 Annex I: the signature box of a JP2 file, which DICOM forbids and some senders write. */
const JP2_SIGNATURE = 0x0000000c;
const SIZ = 0xff51;
/** ISO/IEC 10918-1 Table B.1 (all SOFn but DHT, JPG, DAC), and SOF55 of ISO/IEC 14495-1 (JPEG-LS). */
const FRAME_HEADERS = new Set([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf, 0xf7]);

/** @returns `undefined` when it is neither JPEG, JPEG-LS nor JPEG 2000, or ends before it says its size */
export function codestreamSize(bytes: Uint8Array): CodestreamSize | undefined {
  if (bytes.length < 12) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = view.getUint16(0);
  if (start === JPEG_SOI) return jpegSize(view);
  if (start === J2K_SOC) return jpeg2000Size(view, 0);
  if (view.getUint32(0) === JP2_SIGNATURE) {
    const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(Buffer.from('ff4fff51', 'hex'));
    return at === -1 ? undefined : jpeg2000Size(view, at);
  }
  return undefined;
}

/** True where a fragment begins a frame of its own: for frames in several fragments and no offset table. */
export function beginsCodestream(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const start = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  return (start === JPEG_SOI && bytes[2] === 0xff) || (start === J2K_SOC && bytes[2] === 0xff);
}

/** ISO/IEC 10918-1 Section B.2.2: P, Y, X, Nf behind the frame header's length. */
function jpegSize(view: DataView): CodestreamSize | undefined {
  let offset = 2;
  while (offset + 10 <= view.byteLength) {
    if (view.getUint8(offset) !== 0xff) return undefined;
    const marker = view.getUint8(offset + 1);
    if (marker === 0xff) {
      offset += 1; // Section B.1.1.2: fill bytes.
      continue;
    }
    if (FRAME_HEADERS.has(marker)) {
      return {
        bitsPerSample: view.getUint8(offset + 4),
        rows: view.getUint16(offset + 5),
        columns: view.getUint16(offset + 7),
        components: view.getUint8(offset + 9),
      };
    }
    if (marker === 0xda || marker === 0xd9) return undefined;
    offset += 2 + view.getUint16(offset + 2);
  }
  return undefined;
}

/** ISO/IEC 15444-1 Section A.5.1: SIZ is the first marker segment behind SOC. */
function jpeg2000Size(view: DataView, soc: number): CodestreamSize | undefined {
  const siz = soc + 2;
  if (siz + 41 > view.byteLength || view.getUint16(siz) !== SIZ) return undefined;
  const uint32 = (offset: number) => view.getUint32(siz + offset);
  return {
    columns: uint32(6) - uint32(14),
    rows: uint32(10) - uint32(18),
    components: view.getUint16(siz + 38),
    bitsPerSample: (view.getUint8(siz + 40) & 0x7f) + 1,
  };
}
