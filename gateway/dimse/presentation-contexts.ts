/** Which presentation contexts the hub accepts: Verification, Storage Commitment, every storage SOP class, private ones too. Pure. */
import {
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
  transferSyntax,
} from '../../core/dicom/transfer-syntaxes.ts';
import type { ProposedContext, RoleSelection } from './association-request.ts';

export const VERIFICATION_SOP_CLASS = '1.2.840.10008.1.1';
/** PS3.4 Section J.3.1 */
export const STORAGE_COMMITMENT_SOP_CLASS = '1.2.840.10008.1.20.1';
/** PS3.4 Section J.3.5: the well-known SOP Instance of the Push Model. */
export const STORAGE_COMMITMENT_SOP_INSTANCE = '1.2.840.10008.1.20.1.1';

export interface NegotiatedContext {
  readonly id: number;
  readonly abstractSyntaxUid: string;
  /** PS3.8 Table 9-18: 0 acceptance, 1 user rejection, 3 abstract syntax not supported, 4 transfer syntaxes not supported. */
  readonly result: 0 | 1 | 3 | 4;
  readonly transferSyntaxUid?: string;
  /** What of the proposed roles the hub agrees to. */
  readonly roles?: RoleSelection;
  /** The hub's part of SOP Class Extended Negotiation. */
  readonly extended?: Uint8Array;
  /** Of the Storage Commitment Push Model: what may come. */
  readonly commitment?: {
    readonly takesRequests: boolean;
    /** Destinations that may be reported for. */
    readonly reportsOf: readonly string[];
  };
}

/** What a called AE title offers. */
export interface Offered {
  /** Storage SOP classes; undefined is all. */
  readonly sopClasses?: readonly string[] | undefined;
  readonly storageCommitment: boolean;
  /** Destinations that the caller is: what came of commitments they were asked for may be reported (the hub as SCU). */
  readonly reportsOf?: readonly string[] | undefined;
}

/** The root of everything DICOM itself defines; below it only these hold composite objects to be stored (PS3.6 Annex A). */
const DICOM_ROOT = '1.2.840.10008.';
const STORAGE_ROOTS = ['1.2.840.10008.5.1.4.1.1.'];
const STORAGE_CLASSES = new Set([
  '1.2.840.10008.5.1.4.34.7', // RT Beams Delivery Instruction
  '1.2.840.10008.5.1.4.34.10', // RT Brachy Application Setup Delivery Instruction
  '1.2.840.10008.5.1.4.38.1', // Hanging Protocol
  '1.2.840.10008.5.1.4.39.1', // Color Palette
  '1.2.840.10008.5.1.4.43.1', // Generic Implant Template
  '1.2.840.10008.5.1.4.44.1', // Implant Assembly Template
  '1.2.840.10008.5.1.4.45.1', // Implant Template Group
]);
/** Of data sets that the hub itself reads and writes. */
const PLAIN_SYNTAXES = new Set([IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN]);

/**
 * PS3.4 Section B.3.1: level of support 2 (Full), reserved, digital signature level 3 (bit for bit as received),
 * reserved, element coercion 0 (none).
 */
const STORAGE_ANSWER = Uint8Array.of(2, 0, 3, 0, 0);

/** Takes the first transfer syntax of the proposer's order that the hub can read. */
export function negotiate(proposed: ProposedContext, offered: Offered): NegotiatedContext {
  const { id, abstractSyntaxUid, roles, extended } = proposed;
  const kind = kindOf(abstractSyntaxUid, offered);
  if (kind === undefined) return { id, abstractSyntaxUid, result: 3 };
  if (kind === 'commitment') return negotiateCommitment(proposed, offered);
  // The hub only performs here: a requestor that does not want to be SCU has nothing to ask of it.
  if (roles?.scu === false) return { id, abstractSyntaxUid, result: 1 };
  const transferSyntaxUid = proposed.transferSyntaxUids.find((uid) => transferSyntax(uid) !== undefined);
  if (transferSyntaxUid === undefined) return { id, abstractSyntaxUid, result: 4 };
  return {
    ...{ id, abstractSyntaxUid, result: 0, transferSyntaxUid },
    ...(roles === undefined ? {} : { roles: { scu: true, scp: false } }),
    ...(extended === undefined || kind !== 'storage' ? {} : { extended: STORAGE_ANSWER }),
  };
}

/**
 * Whoever opens an association to report proposes the SCP role (PS3.7 Section D.3.3.4). Some leave it out and report all
 * the same: of a destination that was asked that is taken too.
 */
function negotiateCommitment(
  { id, abstractSyntaxUid, transferSyntaxUids, roles }: ProposedContext,
  { storageCommitment, reportsOf = [] }: Offered,
): NegotiatedContext {
  const takesRequests = storageCommitment && roles?.scu !== false;
  const isProvider = reportsOf.length > 0 && (roles?.scp ?? true);
  if (!takesRequests && !isProvider) return { id, abstractSyntaxUid, result: 1 };
  const transferSyntaxUid = transferSyntaxUids.find((uid) => PLAIN_SYNTAXES.has(uid));
  if (transferSyntaxUid === undefined) return { id, abstractSyntaxUid, result: 4 };
  return {
    ...{ id, abstractSyntaxUid, result: 0, transferSyntaxUid },
    ...(roles === undefined ? {} : { roles: { scu: takesRequests, scp: isProvider } }),
    commitment: { takesRequests, reportsOf: isProvider ? reportsOf : [] },
  };
}

function kindOf(uid: string, offered: Offered): 'verification' | 'commitment' | 'storage' | undefined {
  if (uid === VERIFICATION_SOP_CLASS) return 'verification';
  if (uid === STORAGE_COMMITMENT_SOP_CLASS) {
    return offered.storageCommitment || (offered.reportsOf ?? []).length > 0 ? 'commitment' : undefined;
  }
  if (!isStorageClass(uid) || offered.sopClasses?.includes(uid) === false) return undefined;
  return 'storage';
}

function isStorageClass(uid: string): boolean {
  if (!/^[0-9.]{1,64}$/.test(uid)) return false;
  if (!uid.startsWith(DICOM_ROOT)) return true; // A private SOP class: what else would be offered to a store?
  return STORAGE_ROOTS.some((root) => uid.startsWith(root)) || STORAGE_CLASSES.has(uid);
}
