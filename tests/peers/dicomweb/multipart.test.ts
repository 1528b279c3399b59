import { expect } from 'chai';
import { multipartParts } from '../../../peers/dicomweb/multipart.ts';

const LIMITS = { maxParts: 2, maxHeaderBytes: 1024 };

describe('The parts of a multipart body', () => {
  const read = async (chunks: readonly Buffer[]): Promise<readonly (readonly Buffer[])[]> => {
    const parts: Buffer[][] = [];
    for await (const part of multipartParts(ReadableStream.from(chunks), 'a', LIMITS)) {
      const pieces: Buffer[] = [];
      for await (const piece of part.body) pieces.push(piece);
      parts.push(pieces);
    }
    return parts;
  };

  it('are not cut to pieces by data that looks like a boundary over and over', async () => {
    const data = Buffer.from('\r\n--ab'.repeat(10_000));

    const [first = []] = await read([Buffer.from('--a\r\nA: b\r\n\r\n'), data, Buffer.from('\r\n--a--')]);

    expect(Buffer.concat(first).equals(data)).to.equal(true);
    expect(first.length).to.be.lessThan(5);
  });

  it('are the same however the bytes come', async () => {
    const data = Buffer.from('x\r\n--ab\r\n--a \t!\r\n--\r\n-\r\r\n--');
    const whole = Buffer.concat([
      Buffer.from('preamble\r\n--a\r\nA: b\r\n\r\n'),
      data,
      Buffer.from('\r\n--a\r\nA: b\r\n\r\n\r\n--a--'),
    ]);

    for (const size of [1, 2, 3, 5, 7, whole.length]) {
      const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, n) =>
        whole.subarray(n * size, (n + 1) * size),
      );
      const parts = (await read(chunks)).map((pieces) => Buffer.concat(pieces).toString('latin1'));
      expect(parts).to.deep.equal([data.toString('latin1'), '']);
    }
  });
});
