/** Transfer syntaxes the hub can read (PS3.5 Annex A, registered in PS3.6 Annex A). */

/** How a data set is encoded on the wire and in a file. */
export interface TransferSyntax {
  readonly name: string;
  readonly explicit: boolean;
  readonly bigEndian: boolean;
  /** The data set, not the file meta information, is one raw deflate stream (PS3.5 Section A.5). */
  readonly deflated: boolean;
  /** Pixel Data stands in fragments (PS3.5 Section A.4). */
  readonly encapsulated: boolean;
}

const EXPLICIT = { explicit: true, bigEndian: false, deflated: false, encapsulated: false } as const;
const IMPLICIT = { ...EXPLICIT, explicit: false } as const;
const BIG_ENDIAN = { ...EXPLICIT, bigEndian: true } as const;
const DEFLATED = { ...EXPLICIT, deflated: true } as const;
const ENCAPSULATED = { ...EXPLICIT, encapsulated: true } as const;

export const IMPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';

/** By UID. Left out: MIME and XML encodings, Papyrus 3, and the SMPTE streams, none of which is a stored data set. */
const TRANSFER_SYNTAXES: Readonly<Record<string, TransferSyntax>> = {
  '1.2.840.10008.1.2': { name: 'Implicit VR Little Endian', ...IMPLICIT },
  '1.2.840.10008.1.2.1': { name: 'Explicit VR Little Endian', ...EXPLICIT },
  '1.2.840.10008.1.2.1.98': { name: 'Encapsulated Uncompressed Explicit VR Little Endian', ...ENCAPSULATED },
  '1.2.840.10008.1.2.1.99': { name: 'Deflated Explicit VR Little Endian', ...DEFLATED },
  '1.2.840.10008.1.2.2': { name: 'Explicit VR Big Endian', ...BIG_ENDIAN },
  '1.2.840.10008.1.2.4.50': { name: 'JPEG Baseline (Process 1)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.51': { name: 'JPEG Extended (Process 2 & 4)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.52': { name: 'JPEG Extended (Process 3 & 5)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.53': { name: 'JPEG Spectral Selection, Non-Hierarchical (Process 6 & 8)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.54': { name: 'JPEG Spectral Selection, Non-Hierarchical (Process 7 & 9)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.55': { name: 'JPEG Full Progression, Non-Hierarchical (Process 10 & 12)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.56': { name: 'JPEG Full Progression, Non-Hierarchical (Process 11 & 13)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.57': { name: 'JPEG Lossless, Non-Hierarchical (Process 14)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.58': { name: 'JPEG Lossless, Non-Hierarchical (Process 15)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.59': { name: 'JPEG Extended, Hierarchical (Process 16 & 18)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.60': { name: 'JPEG Extended, Hierarchical (Process 17 & 19)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.61': { name: 'JPEG Spectral Selection, Hierarchical (Process 20 & 22)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.62': { name: 'JPEG Spectral Selection, Hierarchical (Process 21 & 23)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.63': { name: 'JPEG Full Progression, Hierarchical (Process 24 & 26)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.64': { name: 'JPEG Full Progression, Hierarchical (Process 25 & 27)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.65': { name: 'JPEG Lossless, Hierarchical (Process 28)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.66': { name: 'JPEG Lossless, Hierarchical (Process 29)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.70': {
    name: 'JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])',
    ...ENCAPSULATED,
  },
  '1.2.840.10008.1.2.4.80': { name: 'JPEG-LS Lossless Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.81': { name: 'JPEG-LS Lossy (Near-Lossless) Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.90': { name: 'JPEG 2000 Image Compression (Lossless Only)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.91': { name: 'JPEG 2000 Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.92': {
    name: 'JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)',
    ...ENCAPSULATED,
  },
  '1.2.840.10008.1.2.4.93': { name: 'JPEG 2000 Part 2 Multi-component Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.94': { name: 'JPIP Referenced', ...EXPLICIT },
  '1.2.840.10008.1.2.4.95': { name: 'JPIP Referenced Deflate', ...DEFLATED },
  '1.2.840.10008.1.2.4.100': { name: 'MPEG2 Main Profile / Main Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.100.1': { name: 'Fragmentable MPEG2 Main Profile / Main Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.101': { name: 'MPEG2 Main Profile / High Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.101.1': { name: 'Fragmentable MPEG2 Main Profile / High Level', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.102': { name: 'MPEG-4 AVC/H.264 High Profile / Level 4.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.102.1': { name: 'Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.103': { name: 'MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.103.1': {
    name: 'Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1',
    ...ENCAPSULATED,
  },
  '1.2.840.10008.1.2.4.104': { name: 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.104.1': {
    name: 'Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video',
    ...ENCAPSULATED,
  },
  '1.2.840.10008.1.2.4.105': { name: 'MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.105.1': {
    name: 'Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video',
    ...ENCAPSULATED,
  },
  '1.2.840.10008.1.2.4.106': { name: 'MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.106.1': {
    name: 'Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2',
    ...ENCAPSULATED,
  },
  '1.2.840.10008.1.2.4.107': { name: 'HEVC/H.265 Main Profile / Level 5.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.108': { name: 'HEVC/H.265 Main 10 Profile / Level 5.1', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.110': { name: 'JPEG XL Lossless', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.111': { name: 'JPEG XL JPEG Recompression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.112': { name: 'JPEG XL', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.201': { name: 'High-Throughput JPEG 2000 Image Compression (Lossless Only)', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.202': {
    name: 'High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)',
    ...ENCAPSULATED,
  },
  '1.2.840.10008.1.2.4.203': { name: 'High-Throughput JPEG 2000 Image Compression', ...ENCAPSULATED },
  '1.2.840.10008.1.2.4.204': { name: 'JPIP HTJ2K Referenced', ...EXPLICIT },
  '1.2.840.10008.1.2.4.205': { name: 'JPIP HTJ2K Referenced Deflate', ...DEFLATED },
  '1.2.840.10008.1.2.5': { name: 'RLE Lossless', ...ENCAPSULATED },
  '1.2.840.10008.1.2.8.1': { name: 'Deflated Image Frame Compression', ...ENCAPSULATED },
};

export function transferSyntax(uid: string): TransferSyntax | undefined {
  return Object.hasOwn(TRANSFER_SYNTAXES, uid) ? TRANSFER_SYNTAXES[uid] : undefined;
}
