/** The id of a delivery is made from what it delivers, so that the same event seen twice opens the same row. */
import { createHash } from 'node:crypto';

/** A UUID of version 8 (RFC 9562 Section 5.8) from the digest of run and destination. */
export function deliveryIdOf(runId: string, destination: string): string {
  // The line feed cannot stand in either part, so no two pairs make the same text.
  const bytes = createHash('sha256').update(`hub delivery\n${runId}\n${destination}`).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
