/**
 * Whether an image shows a human head, by what its header says: species, anatomic region, body part, and the words of a
 * protocol. A header that says nothing, or two things, leaves it open, and then nobody may claim that there is no face.
 */
import type { DataSet } from '../../../core/dicom/data-set.ts';

export type HeadVerdict = 'human-head' | 'no-human-head' | 'unsure';

/** Cross-sections from which a face can be rendered (PS3.15 Section E.3.2). */
const VOLUME_MODALITIES = new Set(['MR', 'CT', 'PT']);
/** SCT and SRT codes of PS3.16 CID 7454: Homo sapiens. */
const HUMAN_CODES = new Set(['337915000', 'L-85B00']);
const HUMAN_WORDS = /human|homo ?sapiens/i;
const ANIMAL_WORDS =
  /\b(?:mouse|mice|mus|rat|rats|rattus|rodent|murine|hamster|guinea ?pig|gerbil|rabbit|dog|canine|canis|cat|feline|felis|pig|swine|sus|sheep|ovis|ovine|monkey|macaque|macaca|marmoset|callithrix|primate|bird|zebrafish|fish|horse|equine|ferret)\b/i;

/** PS3.16 CID 4 and CID 2, by Body Part Examined (PS3.16 Annex L) and by code: head, or something the head is part of. */
const HEAD_PARTS =
  /^(?:HEAD|HEADNECK|BRAIN|SKULL|FACE|NECK|CSPINE|CTSPINE|EYE|EYES|ORBIT|EAR|IAC|PITUITARY|SELLA|PARASINUS|SINUS|NOSE|JAW|MANDIBLE|MAXILLA|TMJ|ZYGOMA|PAROTID|TONGUE|TEETH|MOUTH|CAROTID|CIRCLEOFWILLIS|CEREBELLUM|WHOLEBODY|HIPPOCAMPUS)$/;
const OTHER_PARTS =
  /^(?:ABDOMEN|ABDOMENPELVIS|PELVIS|CHEST|CHESTABDOMEN|CHESTABDPELVIS|THORAX|HEART|LUNG|BREAST|LIVER|PANCREAS|GALLBLADDER|BILEDUCT|SPLEEN|KIDNEY|ADRENAL|BLADDER|PROSTATE|UTERUS|OVARY|CERVIX|RECTUM|COLON|AORTA|SHOULDER|CLAVICLE|SCAPULA|ARM|HUMERUS|ELBOW|FOREARM|WRIST|HAND|FINGER|THUMB|HIP|THIGH|FEMUR|KNEE|PATELLA|LEG|TIBIA|CALF|ANKLE|FOOT|TOE|EXTREMITY|LOWEREXTREMITY|UPPEREXTREMITY|TSPINE|LSPINE|SSPINE|TLSPINE|LSSPINE|COCCYX|SIJOINT|STERNUM|RIB|PENIS|SCROTUM|TESTIS)$/;
const HEAD_CODES = new Set([
  ...['69536005', '12738006', '89546000', '89545001', '774007', '45048000', '371398005', '81745001', '117590005'],
  ...['119238007', '113305005', '38266002', '181408002', '53549008', '74386004', '122494005', '54066008'],
  ...['T-D1100', 'T-A0100', 'T-11100', 'T-D1200', 'T-D1000', 'T-D1600', 'T-D0010', 'T-11501'],
]);
const OTHER_CODES = new Set([
  ...['818981001', '818983003', '816092008', '51185008', '80891009', '39607008', '76752008', '10200004'],
  ...['64033007', '41216001', '16982005', '72696002', '24136001', '70258002', '56459004', '53120007', '40983000'],
  ...['122495006', '122496007', '14975008', '85562004', '29836001', '30021000', '68367000'],
  ...['T-D4000', 'T-D3000', 'T-D6000', 'T-32000', 'T-04000', 'T-62000', 'T-71000', 'T-D9200', 'T-D2220'],
]);
const HEAD_WORDS =
  /(?:^|[^a-z])(?:head|brain|skull|face|facial|neuro|cranial|cranium|cerebr[a-z]*|orbit[as]*|pituitary|sella|sinus|iac|tmj|mprage|bravo|hippocamp[a-z]*|epilep[a-z]*|stroke|dementia|alzheimer|aivo[a-z]*|pään?|kallo|kopf|schädel|hirn|t[eê]te|cerveau|cabeza|hoved|huvud|hj[aä]rn[a-z]*|c-?spine|neck|whole ?body)(?![a-z])/i;
const OTHER_WORDS =
  /(?:^|[^a-z])(?:knee|polvi|knie|shoulder|olkap[a-z]*|hip|lonkka|ankle|nilkka|wrist|ranne|elbow|foot|hand|abdom[a-z]*|pelvis|liver|prostate|breast|cardiac|heart|chest|thorax|l-?spine|t-?spine|lumbar|phantom|fantomi)(?![a-z])/i;
/** Where technicians write what they scan. */
const WORDS = ['ProtocolName', 'SeriesDescription', 'StudyDescription', 'RequestedProcedureDescription'] as const;
const MORE_WORDS = [
  'PerformedProcedureStepDescription',
  'PerformedProtocolType',
  'AcquisitionProtocolDescription',
] as const;

export function headVerdict(dataSet: DataSet): HeadVerdict {
  if (!VOLUME_MODALITIES.has(dataSet.string('Modality') ?? 'MR')) return 'no-human-head';
  const species = speciesOf(dataSet);
  if (species === 'animal') return 'no-human-head';
  const claims = new Set([...byCode(dataSet), ...byBodyPart(dataSet)]);
  // What the header says of the region goes before the words of a protocol; both at once are words' business too.
  const said = claims.size === 0 ? byWords(dataSet) : claims;
  // A rat's brain without a species is not to be defaced, nor to be taken for nobody's.
  if (said.has('head')) return species === 'unknown' && ANIMAL_WORDS.test(wordsOf(dataSet)) ? 'unsure' : 'human-head';
  return said.has('other') ? 'no-human-head' : 'unsure';
}

function speciesOf(dataSet: DataSet): 'human' | 'animal' | 'unknown' {
  const codes = dataSet.items('PatientSpeciesCodeSequence').map((item) => item.string('CodeValue') ?? '');
  const words = [
    dataSet.string('PatientSpeciesDescription') ?? '',
    ...codeMeanings(dataSet, 'PatientSpeciesCodeSequence'),
  ];
  if (codes.some((code) => HUMAN_CODES.has(code)) || words.some((word) => HUMAN_WORDS.test(word))) return 'human';
  // A code of the scheme that is not that of people is one of animals.
  if (codes.some((code) => /^(?:\d{6,}|L-[0-9A-Z]{5})$/.test(code)) || words.some((word) => ANIMAL_WORDS.test(word)))
    return 'animal';
  return 'unknown';
}

type Claim = 'head' | 'other';

function byBodyPart(dataSet: DataSet): readonly Claim[] {
  return [dataSet, ...frameAnatomies(dataSet)].flatMap((item): readonly Claim[] => {
    const part = item
      .string('BodyPartExamined')
      ?.toUpperCase()
      .replaceAll(/[^A-Z]/g, '');
    if (part === undefined) return [];
    if (HEAD_PARTS.test(part)) return ['head'];
    return OTHER_PARTS.test(part) ? ['other'] : [];
  });
}

function byCode(dataSet: DataSet): readonly Claim[] {
  return [dataSet, ...frameAnatomies(dataSet)]
    .flatMap((item) => item.items('AnatomicRegionSequence'))
    .flatMap((item): readonly Claim[] => {
      const code = item.string('CodeValue') ?? '';
      if (HEAD_CODES.has(code)) return ['head'];
      return OTHER_CODES.has(code) ? ['other'] : [];
    });
}

/** PS3.3 Section C.7.6.16.2.8: Frame Anatomy, shared or of each frame. */
function frameAnatomies(dataSet: DataSet): readonly DataSet[] {
  const groups = [
    ...dataSet.items('SharedFunctionalGroupsSequence'),
    ...dataSet.items('PerFrameFunctionalGroupsSequence').slice(0, 1),
  ];
  return groups.flatMap((group) => group.items('FrameAnatomySequence'));
}

function byWords(dataSet: DataSet): ReadonlySet<Claim> {
  const found = new Set<Claim>();
  const words = wordsOf(dataSet);
  if (HEAD_WORDS.test(words)) found.add('head');
  if (OTHER_WORDS.test(words)) found.add('other');
  return found;
}

function wordsOf(dataSet: DataSet): string {
  const texts = [...WORDS, ...MORE_WORDS].flatMap((keyword) => dataSet.strings(keyword));
  // An underscore is a letter to an expression and a space to people.
  return texts.join(' ').replaceAll(/[_\d]/g, ' ');
}

function codeMeanings(dataSet: DataSet, keyword: string): readonly string[] {
  return dataSet.items(keyword).map((item) => item.string('CodeMeaning') ?? '');
}
