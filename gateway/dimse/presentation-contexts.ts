/** Which presentation contexts the hub accepts: Verification and every storage SOP class, private ones too. Pure. */
import { transferSyntax } from '../../core/dicom/transfer-syntaxes.ts';
import type { ProposedContext } from './association-request.ts';

export const VERIFICATION_SOP_CLASS = '1.2.840.10008.1.1';

export interface NegotiatedContext {
  readonly id: number;
  readonly abstractSyntaxUid: string;
  /** PS3.8 Table 9-18: 0 acceptance, 3 abstract syntax not supported, 4 transfer syntaxes not supported. */
  readonly result: 0 | 3 | 4;
  readonly transferSyntaxUid?: string;
  readonly scuRole?: boolean;
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

/** Takes the first transfer syntax of the proposer's order that the hub can read. */
export function negotiate(proposed: ProposedContext): NegotiatedContext {
  const { id, abstractSyntaxUid, scuRole } = proposed;
  const context = { id, abstractSyntaxUid, ...(scuRole === undefined ? {} : { scuRole }) };
  if (abstractSyntaxUid !== VERIFICATION_SOP_CLASS && !isStorageClass(abstractSyntaxUid))
    return { ...context, result: 3 };
  const transferSyntaxUid = proposed.transferSyntaxUids.find((uid) => transferSyntax(uid) !== undefined);
  return transferSyntaxUid === undefined ? { ...context, result: 4 } : { ...context, result: 0, transferSyntaxUid };
}

function isStorageClass(uid: string): boolean {
  if (!/^[0-9.]{1,64}$/.test(uid)) return false;
  if (!uid.startsWith(DICOM_ROOT)) return true; // A private SOP class: what else would be offered to a store?
  return STORAGE_ROOTS.some((root) => uid.startsWith(root)) || STORAGE_CLASSES.has(uid);
}
