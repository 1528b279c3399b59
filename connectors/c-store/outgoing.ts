/** One instance on its way out: by which presentation context it may go, and its data set in that encoding, begun to be read. */
import { dataSetOffset, readHeader } from '../../core/dicom/part10.ts';
import {
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
  transferSyntax,
} from '../../core/dicom/transfer-syntaxes.ts';
import type { ByteSource } from '../../core/store.ts';
import type { ProposedContext } from '../../peers/dimse/negotiation.ts';
import type { Association, OutgoingDataSet } from './association.ts';
import type { TwoBuffers } from './two-buffers.ts';
import { asImplicit, canBecomeImplicit } from './implicit.ts';

/** A Part 10 file that is to go out. */
export interface OutgoingInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly open: () => Promise<ByteSource>;
  /** The Part 10 file in explicit VR little endian, where it may go so when the peer does not take its own transfer syntax. */
  readonly decoded?: () => AsyncIterable<Uint8Array>;
}

/** 128 bytes, `DICM`, and (0002,0000) with a value of four bytes in explicit VR. */
const GROUP_LENGTH_END = 144;

export type Prepared = { close(): Promise<void> } & (
  | { readonly contextId: number; readonly dataSet: OutgoingDataSet }
  /** The peer accepted none that it could go by. */
  | { readonly contextId: undefined; readonly detail: string }
);

/** What to propose for an instance. */
export function contextsOf({ sopClassUid, transferSyntaxUid, decoded }: OutgoingInstance): readonly ProposedContext[] {
  const own = { sopClassUid, transferSyntaxUid };
  if (decoded !== undefined && transferSyntaxUid !== EXPLICIT_VR_LITTLE_ENDIAN)
    return [own, { sopClassUid, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN }];
  return canBecomeImplicit(transferSyntaxUid)
    ? [own, { sopClassUid, transferSyntaxUid: IMPLICIT_VR_LITTLE_ENDIAN }]
    : [own];
}

/** Its own transfer syntax first, then what it can become. @param buffers - what it may be read into, as long as one that is small */
export async function prepare(
  association: Pick<Association, 'contextIdOf'>,
  instance: OutgoingInstance,
  buffers: TwoBuffers,
): Promise<Prepared> {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid, decoded } = instance;
  const idOf = (syntax: string) => association.contextIdOf({ sopClassUid, transferSyntaxUid: syntax });
  const own = idOf(transferSyntaxUid);
  const implicit = canBecomeImplicit(transferSyntaxUid) ? idOf(IMPLICIT_VR_LITTLE_ENDIAN) : undefined;
  const contextId = own ?? implicit;
  if (contextId === undefined) {
    const plain = decoded === undefined ? undefined : idOf(EXPLICIT_VR_LITTLE_ENDIAN);
    if (plain === undefined || decoded === undefined) {
      const name = transferSyntax(transferSyntaxUid)?.name ?? transferSyntaxUid;
      return { contextId: undefined, detail: `SOP class ${sopClassUid} not accepted in ${name}`, close: nothing };
    }
    const chunks = withoutFileMeta(decoded());
    return { contextId: plain, dataSet: { sopClassUid, sopInstanceUid, sizeBytes: undefined, chunks }, close: nothing };
  }
  const source = await instance.open();
  try {
    const close = () => source.close();
    const whole = own === undefined ? undefined : await buffers.read(source);
    if (whole !== undefined) {
      const dataSet = whole.subarray(dataSetOffset(whole));
      const outgoing = { sopClassUid, sopInstanceUid, sizeBytes: dataSet.byteLength, chunks: [dataSet] };
      return { contextId, dataSet: outgoing, close };
    }
    const header = await readHeader(source);
    const { sizeBytes, chunks } =
      own === undefined
        ? await asImplicit(source, header)
        : { sizeBytes: source.sizeBytes - header.dataSetOffset, chunks: source.stream(header.dataSetOffset) };
    const dataSet = { sopClassUid, sopInstanceUid, sizeBytes, chunks: begun(chunks) };
    return { contextId, dataSet, close };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** The first chunk is asked for at once, not when it is wanted. */
function begun(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = iterator.next();
  // Told to whoever reads on; nobody may.
  first.catch(() => undefined);
  return {
    async *[Symbol.asyncIterator]() {
      for (let each = await first; each.done !== true; each = await iterator.next()) yield each.value;
    },
  };
}

const nothing = (): Promise<void> => Promise.resolve();

/** PS3.10 Section 7.1: preamble, prefix, then a group whose length is its first element. */
async function* withoutFileMeta(file: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of file) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end =
      head.byteLength < GROUP_LENGTH_END ? Infinity : GROUP_LENGTH_END + head.readUInt32LE(GROUP_LENGTH_END - 4);
    if (head.byteLength < end) continue;
    yield head.subarray(end);
    head = undefined;
  }
}
