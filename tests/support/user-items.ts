/** The user information items of an A-ASSOCIATE-AC or -RQ (PS3.7 Annex D.3). */

/** The values of all items of a type, in their order. */
export function userItems(body: Buffer, type: number): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let at = 68; at < body.length; at += 4 + body.readUInt16BE(at + 2)) {
    if (body[at] !== 0x50) continue;
    const end = at + 4 + body.readUInt16BE(at + 2);
    for (let inner = at + 4; inner < end; inner += 4 + body.readUInt16BE(inner + 2)) {
      if (body[inner] === type) found.push(body.subarray(inner + 4, inner + 4 + body.readUInt16BE(inner + 2)));
    }
  }
  return found;
}

/** The first item of a type; undefined when there is none. */
export function userItem(body: Buffer, type: number): Buffer | undefined {
  return userItems(body, type)[0];
}
