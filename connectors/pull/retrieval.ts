/** What a C-MOVE and a C-GET have in common (PS3.4 Section C.4): what is asked for, and what a response says of it. */
import { EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN } from '../../core/dicom/transfer-syntaxes.ts';
import { HubError } from '../../core/errors.ts';
import type { StudyInstanceUid } from '../../core/identifiers.ts';
import type { Command } from '../../peers/dimse/command-set.ts';
import type { Identifier } from '../../peers/dimse/identifier.ts';
import type { MessageAssociation } from '../../peers/dimse/messages.ts';
import type { Scope } from './source.ts';

export const SYNTAXES = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN] as const;
/** PS3.4 Table C.4-2 */
export const PENDING = 0xff00;

export function identifierOf(study: StudyInstanceUid, scope: Scope): Identifier {
  switch (scope.level) {
    case 'study':
      return { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study };
    case 'series':
      return { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: study, SeriesInstanceUID: scope.seriesInstanceUid };
    case 'instances':
      return {
        QueryRetrieveLevel: 'IMAGE',
        StudyInstanceUID: study,
        SeriesInstanceUID: scope.seriesInstanceUid,
        SOPInstanceUID: scope.sopInstanceUids.join('\\'),
      };
    default:
      return scope satisfies never;
  }
}

/** The context to ask on. @throws {HubError} `partner.refused` when the peer does not do that at all */
export function contextFor(
  association: MessageAssociation,
  sopClassUid: string,
): { readonly contextId: number; readonly transferSyntaxUid: string } {
  for (const transferSyntaxUid of SYNTAXES) {
    const contextId = association.contextIdOf({ sopClassUid, transferSyntaxUid });
    if (contextId !== undefined) return { contextId, transferSyntaxUid };
  }
  throw new HubError('partner.refused', { detail: 'it does not offer this way to retrieve' });
}

/** What the counts of a response amount to: a peer that only repeats itself makes no progress. */
export function doneOf({ suboperations }: Command): number {
  const { completed = 0, failed = 0, warning = 0 } = suboperations;
  return completed + failed + warning;
}

/**
 * What ended it. Failed sub-operations are no failure here: the ledger is held against the source afterwards.
 *
 * @throws {HubError} `partner.busy`, `partner.refused`
 */
export function checkEnd(status: number): void {
  // PS3.4 Table C.4-2: B000 is a success with failures among the sub-operations.
  if (status === 0 || status === 0xb000) return;
  if (status === 0xa801) {
    throw new HubError('partner.refused', { status, detail: 'it does not know the AE title that it is to send to' });
  }
  // A701 and A702: out of resources, to count the matches or to send.
  const isBusy = status === 0xa701 || status === 0xa702;
  throw new HubError(isBusy ? 'partner.busy' : 'partner.refused', { status });
}
