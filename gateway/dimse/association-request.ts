/** PS3.8 Section 9.3.2: the A-ASSOCIATE-RQ, read strictly where a mistake could be ours to suffer. */
import { ABORT_REASON, ProtocolError } from './framing.ts';

export interface ProposedContext {
  readonly id: number;
  readonly abstractSyntaxUid: string;
  readonly transferSyntaxUids: readonly string[];
  /** SCP/SCU role selection (PS3.7 Section D.3.3.4) when the peer proposed it. */
  readonly scuRole?: boolean;
}

export interface AssociationRequest {
  readonly protocolVersion: number;
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly applicationContextUid: string;
  /** The peer's maximum; 0 is no limit. */
  readonly maxPduLength: number;
  readonly implementationClassUid: string;
  readonly implementationVersion: string;
  readonly contexts: readonly ProposedContext[];
}

const ITEM = {
  applicationContext: 0x10,
  presentationContext: 0x20,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
  maximumLength: 0x51,
  implementationClass: 0x52,
  roleSelection: 0x54,
  implementationVersion: 0x55,
} as const;
const ITEM_HEADER_BYTES = 4;
const FIXED_BYTES = 68;
/** PS3.8 Section 9.3.2.2: odd numbers from 1 to 255. */
const MAX_CONTEXTS = 128;

/** @throws {ProtocolError} invalid parameter value */
export function parseAssociationRequest(body: Buffer): AssociationRequest {
  if (body.length < FIXED_BYTES) throw invalid('an A-ASSOCIATE-RQ shorter than its fixed part');
  const user = { maxPduLength: 0, implementationClassUid: '', implementationVersion: '' };
  const roles = new Map<string, boolean>();
  const contexts: ProposedContext[] = [];
  let applicationContextUid = '';
  for (const item of items(body.subarray(FIXED_BYTES))) {
    switch (item.type) {
      case ITEM.applicationContext:
        applicationContextUid = text(item.value);
        break;
      case ITEM.presentationContext:
        contexts.push(parseContext(item.value));
        break;
      case ITEM.userInformation:
        for (const part of items(item.value)) parseUserItem(part, user, roles);
        break;
      default:
        break; // PS3.8 Section 9.3.1: unrecognised items are ignored.
    }
  }
  checkContextIds(contexts);
  return {
    protocolVersion: body.readUInt16BE(0),
    calledAeTitle: text(body.subarray(4, 20)),
    callingAeTitle: text(body.subarray(20, 36)),
    applicationContextUid,
    ...user,
    contexts: contexts.map((context) => {
      const scuRole = roles.get(context.abstractSyntaxUid);
      return scuRole === undefined ? context : { ...context, scuRole };
    }),
  };
}

function parseContext(value: Buffer): ProposedContext {
  if (value.length < 4) throw invalid('a presentation context without id');
  let abstractSyntaxUid = '';
  const transferSyntaxUids: string[] = [];
  for (const item of items(value.subarray(4))) {
    if (item.type === ITEM.abstractSyntax) abstractSyntaxUid = text(item.value);
    else if (item.type === ITEM.transferSyntax) transferSyntaxUids.push(text(item.value));
  }
  return { id: value.readUInt8(0), abstractSyntaxUid, transferSyntaxUids };
}

function parseUserItem(
  item: Item,
  user: { maxPduLength: number; implementationClassUid: string; implementationVersion: string },
  roles: Map<string, boolean>,
): void {
  switch (item.type) {
    case ITEM.maximumLength:
      if (item.value.length !== 4) throw invalid('a maximum length that is not four bytes');
      user.maxPduLength = item.value.readUInt32BE(0);
      break;
    case ITEM.implementationClass:
      user.implementationClassUid = text(item.value);
      break;
    case ITEM.implementationVersion:
      user.implementationVersion = text(item.value);
      break;
    case ITEM.roleSelection: {
      const uidLength = item.value.length < 2 ? -1 : item.value.readUInt16BE(0);
      if (uidLength < 0 || item.value.length !== uidLength + 4) throw invalid('a role selection of wrong length');
      roles.set(text(item.value.subarray(2, 2 + uidLength)), item.value.readUInt8(2 + uidLength) === 1);
      break;
    }
    default:
      break; // Asynchronous operations are answered by silence: one outstanding operation (PS3.7 Section D.3.3.3).
  }
}

/** Any odd ids in any order are legal; two contexts of one id would let the peer choose which rules hold. */
function checkContextIds(contexts: readonly ProposedContext[]): void {
  const ids = new Set(contexts.map(({ id }) => id));
  if (contexts.length === 0 || contexts.length > MAX_CONTEXTS || ids.size !== contexts.length) {
    throw invalid('presentation contexts missing, too many or repeated');
  }
  if (contexts.some(({ id }) => id % 2 === 0)) throw invalid('an even presentation context id');
}

interface Item {
  readonly type: number;
  readonly value: Buffer;
}

function* items(bytes: Buffer): Generator<Item> {
  let at = 0;
  while (at < bytes.length) {
    if (at + ITEM_HEADER_BYTES > bytes.length) throw invalid('an item cut off');
    const end = at + ITEM_HEADER_BYTES + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) throw invalid('an item longer than what holds it');
    yield { type: bytes.readUInt8(at), value: bytes.subarray(at + ITEM_HEADER_BYTES, end) };
    at = end;
  }
}

/** AE titles are padded with spaces, UIDs by some with a NUL. */
function text(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/^[ \0]+|[ \0]+$/g, '');
}

function invalid(message: string): ProtocolError {
  return new ProtocolError(ABORT_REASON.invalidParameterValue, message);
}
