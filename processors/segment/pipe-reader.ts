/** Lines and counted bytes from a pipe, in the order they are asked for; no more is held than was asked. */

/** What is said before a tensor. */
const MAX_LINE_BYTES = 64 * 1024;

export interface PipeReader {
  /** Undefined at the end, and when a line is longer than 64 KiB. */
  line(): Promise<string | undefined>;
  /** A buffer of their own, aligned for float32; undefined when the pipe ends before. */
  bytes(count: number): Promise<Uint8Array | undefined>;
}

export function pipeReader(stream: AsyncIterable<Buffer>): PipeReader {
  const source = stream[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const more = async (): Promise<Buffer | undefined> => {
    const next = await source.next();
    return next.done === true ? undefined : next.value;
  };
  return {
    async line() {
      while (!rest.includes(10)) {
        const chunk = await more();
        if (chunk === undefined || rest.length > MAX_LINE_BYTES) return undefined;
        rest = Buffer.concat([rest, chunk]);
      }
      const end = rest.indexOf(10);
      const text = rest.subarray(0, end).toString('utf8');
      rest = rest.subarray(end + 1);
      return text;
    },
    async bytes(count) {
      const whole = new Uint8Array(count);
      let at = 0;
      while (at < count) {
        const chunk = rest.length > 0 ? rest : await more();
        if (chunk === undefined) return undefined;
        const part = chunk.subarray(0, count - at);
        whole.set(part, at);
        at += part.length;
        rest = chunk.subarray(part.length);
      }
      return whole;
    },
  };
}
