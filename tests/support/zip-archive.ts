/** Zip archives for tests, written byte by byte (PKWARE APPNOTE 4.3), wrong ones included. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly isStored?: boolean;
  /** Sizes and place stand in the ZIP64 extra field. */
  readonly isZip64?: boolean;
  /** Says that it is encrypted; nothing is. */
  readonly isEncrypted?: boolean;
  /** Instead of what is true. */
  readonly crc32?: number;
  readonly inflatedBytes?: number;
  readonly method?: number;
}

const MAX32 = 0xffffffff;

export function zipArchive(entries: readonly ZipEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const written = encode(entry, offset);
    parts.push(written.local);
    directory.push(written.central);
    offset += written.local.length;
  }
  const central = Buffer.concat(directory);
  const isZip64 = entries.some((entry) => entry.isZip64 === true);
  const end = [central, ...(isZip64 ? [zip64End(entries.length, central.length, offset)] : [])];
  return Buffer.concat([...parts, ...end, endRecord(entries.length, central.length, offset, isZip64)]);
}

function encode(entry: ZipEntry, offset: number): { readonly local: Buffer; readonly central: Buffer } {
  const name = Buffer.from(entry.name, 'utf8');
  const body = entry.isStored === true ? Buffer.from(entry.content) : deflateRawSync(entry.content);
  const sizes = { packed: body.length, inflated: entry.inflatedBytes ?? entry.content.length };
  const is64 = entry.isZip64 === true;
  const common = Buffer.alloc(26);
  common.writeUInt16LE(is64 ? 45 : 20, 0);
  // Bit 0: encrypted. Bit 11: the name is UTF-8.
  common.writeUInt16LE((entry.isEncrypted === true ? 1 : 0) | 0x0800, 2);
  common.writeUInt16LE(entry.method ?? (entry.isStored === true ? 0 : 8), 4);
  common.writeUInt32LE(entry.crc32 ?? crc32(entry.content), 10);
  common.writeUInt32LE(is64 ? MAX32 : sizes.packed, 14);
  common.writeUInt32LE(is64 ? MAX32 : sizes.inflated, 18);
  common.writeUInt16LE(name.length, 22);
  const extra = is64 ? zip64Extra([sizes.inflated, sizes.packed, offset]) : Buffer.alloc(0);
  const localExtra = is64 ? zip64Extra([sizes.inflated, sizes.packed]) : Buffer.alloc(0);
  const local = Buffer.from(common);
  local.writeUInt16LE(localExtra.length, 24);
  const central = Buffer.from(common);
  central.writeUInt16LE(extra.length, 24);
  const tail = Buffer.alloc(14);
  tail.writeUInt32LE(is64 ? MAX32 : offset, 10);
  return {
    local: Buffer.concat([signature(0x04034b50), local, name, localExtra, body]),
    central: Buffer.concat([signature(0x02014b50), Buffer.from([45, 3]), central, tail, name, extra]),
  };
}

function zip64Extra(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + values.length * 8);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(values.length * 8, 2);
  values.forEach((value, n) => extra.writeBigUInt64LE(BigInt(value), 4 + n * 8));
  return extra;
}

function zip64End(entries: number, size: number, offset: number): Buffer {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  record.writeBigUInt64LE(BigInt(entries), 24);
  record.writeBigUInt64LE(BigInt(entries), 32);
  record.writeBigUInt64LE(BigInt(size), 40);
  record.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([record, locator]);
}

function endRecord(entries: number, size: number, offset: number, isZip64: boolean): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(Math.min(entries, 0xffff), 8);
  record.writeUInt16LE(Math.min(entries, 0xffff), 10);
  record.writeUInt32LE(size, 12);
  record.writeUInt32LE(isZip64 ? MAX32 : offset, 16);
  return record;
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}
