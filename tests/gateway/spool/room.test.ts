import { expect } from 'chai';
import { Room, roomBytes, zeros } from '../../../gateway/spool/room.ts';

const KIB = 1024;

describe('the room behind small records', () => {
  const ROOMS: readonly { readonly name: string; readonly used: number | undefined; readonly kib: number }[] = [
    { name: 'before anything is known', used: undefined, kib: 256 },
    { name: 'when small records filled what there was', used: 256 * KIB, kib: 512 },
    { name: 'when they filled much', used: 3_000 * KIB, kib: 4096 },
    { name: 'when large ones filled it', used: 4 * KIB, kib: 32 },
    { name: 'when nothing small came at all', used: 0, kib: 32 },
  ];
  for (const { name, used, kib } of ROOMS) {
    it(`is ${String(kib)} KiB ${name}`, () => {
      expect(roomBytes(used)).to.equal(kib * KIB);
    });
  }

  it('is wanted behind a small batch that has none, and never behind a large one', () => {
    const room = new Room();
    const first = room.wanted(16, 5000);
    room.written(16, 5000, first);

    expect(first).to.equal(256 * KIB);
    expect(room.wanted(5000, 9000)).to.equal(0);
    expect(room.wanted(5000, 300_000)).to.equal(0);
    expect(room.isBehind(5000)).to.be.true;
    expect(room.isBehind(5000 + 256 * KIB)).to.be.false;
  });

  it('grows with a long run of small batches, and begins anew with a new segment', () => {
    const room = new Room();
    const laid: number[] = [];
    for (let at = 0; at < 16 * KIB * KIB; at += 4 * KIB) {
      const bytes = room.wanted(at, at + 4 * KIB);
      if (bytes > 0) laid.push(bytes / KIB);
      room.written(at, at + 4 * KIB, bytes);
    }

    expect(laid).to.deep.equal([256, 512, 1024, 2048, 4096, 4096, 4096, 4096]);
    room.restart();
    expect(room.isBehind(0)).to.be.false;
    expect(room.wanted(0, 4 * KIB)).to.be.at.least(32 * KIB);
  });

  it('is made of zeros, whatever its length', () => {
    for (const length of [1, 256 * KIB, 600_000]) {
      const room = Buffer.concat(zeros(length));

      expect(room).to.have.length(length);
      expect(room.every((byte) => byte === 0)).to.be.true;
    }
  });
});
