/** PS3.8 Section 9.3.2: the A-ASSOCIATE-RQ, read strictly where a mistake could be ours to suffer. */
import { ABORT_REASON, ProtocolError } from './framing.ts';
import { ITEM, items, text, uidBehind } from './association-items.ts';

/** SCP/SCU role selection (PS3.7 Section D.3.3.4), as the requestor proposed it. */
export interface RoleSelection {
  readonly scu: boolean;
  readonly scp: boolean;
}

export interface ProposedContext {
  readonly id: number;
  readonly abstractSyntaxUid: string;
  readonly transferSyntaxUids: readonly string[];
  readonly roles?: RoleSelection;
  /** Service-class-application-information of SOP Class Extended Negotiation (PS3.7 Section D.3.3.5). */
  readonly extended?: Uint8Array;
}

/** PS3.7 Section D.3.3.7. The fields are bytes: only some types hold text. */
export interface UserIdentity {
  /** 1 username, 2 username and passcode, 3 Kerberos, 4 SAML, 5 JSON Web Token. */
  readonly type: number;
  readonly wantsResponse: boolean;
  readonly primary: Uint8Array;
  readonly secondary: Uint8Array;
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
  /** An asynchronous operations window was proposed, of whatever size. */
  readonly proposesWindow: boolean;
  readonly userIdentity?: UserIdentity;
  readonly contexts: readonly ProposedContext[];
}

const FIXED_BYTES = 68;
/** PS3.8 Section 9.3.2.2: odd numbers from 1 to 255. */
const MAX_CONTEXTS = 128;

/** What the user information item holds. */
interface UserInformation {
  maxPduLength: number;
  implementationClassUid: string;
  implementationVersion: string;
  proposesWindow: boolean;
  userIdentity?: UserIdentity;
  readonly roles: Map<string, RoleSelection>;
  readonly extended: Map<string, Uint8Array>;
}

/** @throws {ProtocolError} invalid parameter value */
export function parseAssociationRequest(body: Buffer): AssociationRequest {
  if (body.length < FIXED_BYTES) throw invalid('an A-ASSOCIATE-RQ shorter than its fixed part');
  const user: UserInformation = {
    maxPduLength: 0,
    implementationClassUid: '',
    implementationVersion: '',
    proposesWindow: false,
    roles: new Map(),
    extended: new Map(),
  };
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
        for (const part of items(item.value)) parseUserItem(part.type, part.value, user);
        break;
      default:
        break; // PS3.8 Section 9.3.1: unrecognised items are ignored.
    }
  }
  checkContextIds(contexts);
  const { roles, extended, ...rest } = user;
  return {
    protocolVersion: body.readUInt16BE(0),
    calledAeTitle: text(body.subarray(4, 20)),
    callingAeTitle: text(body.subarray(20, 36)),
    applicationContextUid,
    ...rest,
    contexts: contexts.map((context) => {
      const own = { roles: roles.get(context.abstractSyntaxUid), extended: extended.get(context.abstractSyntaxUid) };
      return {
        ...context,
        ...(own.roles === undefined ? {} : { roles: own.roles }),
        ...(own.extended === undefined ? {} : { extended: own.extended }),
      };
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

function parseUserItem(type: number, value: Buffer, user: UserInformation): void {
  switch (type) {
    case ITEM.maximumLength:
      if (value.length !== 4) throw invalid('a maximum length that is not four bytes');
      user.maxPduLength = value.readUInt32BE(0);
      break;
    case ITEM.implementationClass:
      user.implementationClassUid = text(value);
      break;
    case ITEM.implementationVersion:
      user.implementationVersion = text(value);
      break;
    case ITEM.operationsWindow:
      user.proposesWindow = true;
      break;
    case ITEM.roleSelection: {
      const { uid, rest } = uidBehind(value);
      if (rest.length !== 2) throw invalid('a role selection of wrong length');
      user.roles.set(uid, { scu: rest[0] === 1, scp: rest[1] === 1 });
      break;
    }
    case ITEM.extendedNegotiation: {
      const { uid, rest } = uidBehind(value);
      user.extended.set(uid, rest);
      break;
    }
    case ITEM.userIdentity:
      user.userIdentity = parseUserIdentity(value);
      break;
    default:
      break;
  }
}

/** PS3.7 Table D.3-14 */
function parseUserIdentity(value: Buffer): UserIdentity {
  const primaryEnd = value.length < 4 ? Infinity : 4 + value.readUInt16BE(2);
  const end = primaryEnd + 2 > value.length ? Infinity : primaryEnd + 2 + value.readUInt16BE(primaryEnd);
  if (end > value.length) throw invalid('a user identity cut off');
  return {
    type: value.readUInt8(0),
    wantsResponse: value.readUInt8(1) === 1,
    primary: value.subarray(4, primaryEnd),
    secondary: value.subarray(primaryEnd + 2, end),
  };
}

/** Any odd ids in any order are legal; two contexts of one id would let the peer choose which rules hold. */
function checkContextIds(contexts: readonly ProposedContext[]): void {
  const ids = new Set(contexts.map(({ id }) => id));
  if (contexts.length === 0 || contexts.length > MAX_CONTEXTS || ids.size !== contexts.length) {
    throw invalid('presentation contexts missing, too many or repeated');
  }
  if (contexts.some(({ id }) => id % 2 === 0)) throw invalid('an even presentation context id');
}

function invalid(message: string): ProtocolError {
  return new ProtocolError(ABORT_REASON.invalidParameterValue, message);
}
