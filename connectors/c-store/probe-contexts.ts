/** The presentation contexts the hub may propose to a C-STORE provider, and what it means that some are refused. */
import { type Diagnosis, fine, warning, wrong } from '../../core/diagnosis.ts';
import {
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
  transferSyntax,
} from '../../core/dicom/transfer-syntaxes.ts';
import { VERIFICATION } from '../probe/dimse.ts';
import type { Negotiated, ProposedContext } from '../../peers/dimse/negotiation.ts';

/** What scanners send and what the hub makes of it (PS3.4 Table B.5-1). */
const SOP_CLASSES = [
  { uid: '1.2.840.10008.5.1.4.1.1.4', name: 'MR Image Storage' },
  { uid: '1.2.840.10008.5.1.4.1.1.4.1', name: 'Enhanced MR Image Storage' },
  { uid: '1.2.840.10008.5.1.4.1.1.66.4', name: 'Segmentation Storage' },
  { uid: '1.2.840.10008.5.1.4.1.1.7', name: 'Secondary Capture Image Storage' },
] as const;
/** The hub sends an image as it came: compressed stays compressed. */
const COMPRESSED = ['1.2.840.10008.1.2.4.70', '1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.90'] as const;
const COMPRESSED_CLASSES = 2;

export const PROBED_CONTEXTS: readonly ProposedContext[] = [
  VERIFICATION,
  ...SOP_CLASSES.flatMap(({ uid }, index) =>
    [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, ...(index < COMPRESSED_CLASSES ? COMPRESSED : [])].map(
      (transferSyntaxUid) => ({ sopClassUid: uid, transferSyntaxUid }),
    ),
  ),
];

/** One line a SOP class. Pure. */
export function contextDiagnoses({ resultOf }: Pick<Negotiated, 'resultOf'>): readonly Diagnosis[] {
  return SOP_CLASSES.map(({ uid, name }) => {
    const offered = PROBED_CONTEXTS.filter(({ sopClassUid }) => sopClassUid === uid);
    const refused = offered.filter((context) => resultOf(context) !== 0);
    const isPlainTaken = offered.some((context) => !isCompressed(context.transferSyntaxUid) && resultOf(context) === 0);
    const id = `contexts.${name
      .replace(/ (Image )?Storage$/, '')
      .toLowerCase()
      .replaceAll(' ', '-')}`;
    if (isPlainTaken && refused.every(({ transferSyntaxUid }) => !isCompressed(transferSyntaxUid)))
      return fine(id, `Takes ${name}`);
    const reasons = [...new Set(refused.map((context) => RESULTS[resultOf(context) ?? 2] ?? 'refused'))].join('; ');
    if (!isPlainTaken) {
      const [what, why] = [`Does not take ${name}`, `The destination says: ${reasons}.`];
      const remedy = `Switch the SOP class ${name} (${uid}) on at the destination; until then such instances end as dead letters.`;
      return uid === SOP_CLASSES[0].uid ? wrong(id, what, why, remedy) : warning(id, what, why, remedy);
    }
    const syntaxes = refused.map(({ transferSyntaxUid }) => transferSyntaxUid).filter(isCompressed);
    return warning(
      id,
      `Takes ${name}, but not compressed`,
      `Refused: ${syntaxes.map((syntax) => transferSyntax(syntax)?.name ?? syntax).join('; ')}.`,
      'Only matters where a source compresses: the hub sends images as they came. Then switch these transfer syntaxes on at the destination, or compression off at the source.',
    );
  });
}

function isCompressed(transferSyntaxUid: string): boolean {
  return (COMPRESSED as readonly string[]).includes(transferSyntaxUid);
}

/** PS3.8 Table 9-18 */
const RESULTS: Readonly<Record<number, string>> = {
  1: 'rejected by the application there (1)',
  2: 'refused without a reason (2)',
  3: 'SOP class not supported (3)',
  4: 'none of the transfer syntaxes supported (4)',
};
