/** Transfer syntaxes by what decodes them, and the media type of a compressed frame (PS3.18 Tables 8.7.3-2 to 8.7.3-5). */
import { transferSyntax } from '../core/dicom/transfer-syntaxes.ts';

export type Codec = 'native' | 'rle' | 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k';

const ENCAPSULATED_UNCOMPRESSED = '1.2.840.10008.1.2.1.98';

interface CompressedFrames {
  readonly codec: Codec | undefined;
  readonly mediaType: string;
}

const JPEG = { codec: 'jpeg', mediaType: 'image/jpeg' } as const;
const JPEG_LS = { codec: 'jpeg-ls', mediaType: 'image/jls' } as const;
const JPEG_2000 = { codec: 'jpeg-2000', mediaType: 'image/jp2' } as const;
const JPEG_2000_PART_2 = { codec: undefined, mediaType: 'image/jpx' } as const;
const HTJ2K = { codec: 'htj2k', mediaType: 'image/jphc' } as const;
const JPEG_XL = { codec: undefined, mediaType: 'image/jxl' } as const;
const MPEG2 = { codec: undefined, mediaType: 'video/mpeg' } as const;
const MPEG4 = { codec: undefined, mediaType: 'video/mp4' } as const;
const HEVC = { codec: undefined, mediaType: 'video/H265' } as const;

const COMPRESSED: Readonly<Record<string, CompressedFrames>> = {
  '1.2.840.10008.1.2.4.50': JPEG,
  '1.2.840.10008.1.2.4.51': JPEG,
  '1.2.840.10008.1.2.4.53': JPEG,
  '1.2.840.10008.1.2.4.55': JPEG,
  '1.2.840.10008.1.2.4.57': JPEG,
  '1.2.840.10008.1.2.4.70': JPEG,
  '1.2.840.10008.1.2.4.80': JPEG_LS,
  '1.2.840.10008.1.2.4.81': JPEG_LS,
  '1.2.840.10008.1.2.4.90': JPEG_2000,
  '1.2.840.10008.1.2.4.91': JPEG_2000,
  '1.2.840.10008.1.2.4.92': JPEG_2000_PART_2,
  '1.2.840.10008.1.2.4.93': JPEG_2000_PART_2,
  '1.2.840.10008.1.2.4.100': MPEG2,
  '1.2.840.10008.1.2.4.101': MPEG2,
  '1.2.840.10008.1.2.4.102': MPEG4,
  '1.2.840.10008.1.2.4.103': MPEG4,
  '1.2.840.10008.1.2.4.104': MPEG4,
  '1.2.840.10008.1.2.4.105': MPEG4,
  '1.2.840.10008.1.2.4.106': MPEG4,
  '1.2.840.10008.1.2.4.107': HEVC,
  '1.2.840.10008.1.2.4.108': HEVC,
  '1.2.840.10008.1.2.4.110': JPEG_XL,
  '1.2.840.10008.1.2.4.111': JPEG_XL,
  '1.2.840.10008.1.2.4.112': JPEG_XL,
  '1.2.840.10008.1.2.4.201': HTJ2K,
  '1.2.840.10008.1.2.4.202': HTJ2K,
  '1.2.840.10008.1.2.4.203': HTJ2K,
  '1.2.840.10008.1.2.5': { codec: 'rle', mediaType: 'image/dicom-rle' },
};

/** What decodes the frames of a transfer syntax; `undefined`: nothing the hub has. */
export function codecOf(transferSyntaxUid: string): Codec | undefined {
  const syntax = transferSyntax(transferSyntaxUid);
  if (syntax === undefined) return undefined;
  if (transferSyntaxUid === ENCAPSULATED_UNCOMPRESSED) return 'native';
  return syntax.encapsulated ? COMPRESSED[transferSyntaxUid]?.codec : 'native';
}

/** Media type of a frame as stored; `undefined` for native frames and for what PS3.18 has no media type for. */
export function compressedMediaType(transferSyntaxUid: string): string | undefined {
  return COMPRESSED[transferSyntaxUid]?.mediaType;
}
