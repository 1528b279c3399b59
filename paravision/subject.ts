/** Who was scanned, as DICOM says it: from `visu_pars`, else from the study's `subject` file. */
import type { Attributes } from '../core/dicom/encode.ts';
import { parseDate } from './dates.ts';
import type { Parameters } from './parameters.ts';

type Code = readonly [value: string, meaning: string];

/** PS3.16 CID 7454, SNOMED CT. ParaVision has no field of its own for it before 360; what is there is free text. */
const SPECIES: readonly (readonly [RegExp, Code])[] = [
  [/^(?:house |lab(?:oratory)? )?(?:mouse|mice)$|^mus(?: musculus)?$/i, ['447612001', 'Mus musculus']],
  [/^(?:lab(?:oratory)? )?rats?$|^rattus(?: norvegicus)?$/i, ['371564000', 'Rattus norvegicus']],
];
const POSITIONS: Readonly<Record<string, string>> = {
  Head_Supine: 'HFS',
  Head_Prone: 'HFP',
  Head_Left: 'HFDL',
  Head_Right: 'HFDR',
  Foot_Supine: 'FFS',
  Foot_Prone: 'FFP',
  Foot_Left: 'FFDL',
  Foot_Right: 'FFDR',
};
const SEXES: Readonly<Record<string, string>> = { male: 'M', female: 'F' };
const ANIMALS = new Set(['Quadruped', 'OtherAnimal']);

/** PS3.3 Section C.7.1.1 and C.7.2.2. */
export function subjectAttributes(parameters: Parameters): Attributes {
  const type = subjectType(parameters);
  const birthDate = parseDate(parameters.text('VisuSubjectBirthDate') ?? parameters.text('SUBJECT_dbirth'))?.date;
  const weightKg = parameters.number('VisuSubjectWeight') ?? parameters.number('SUBJECT_weight');
  return {
    PatientName: personName(
      parameters.text('VisuSubjectName') ?? parameters.text('SUBJECT_name_string') ?? parameters.text('SUBJECT_name'),
    ),
    PatientID: shortText(parameters.text('VisuSubjectId') ?? parameters.text('SUBJECT_id'), 64),
    PatientBirthDate: birthDate ?? '',
    PatientSex: sexOf(parameters),
    ...(weightKg !== undefined && weightKg > 0 && Number.isFinite(weightKg) ? { PatientWeight: weightKg } : {}),
    ...(ANIMALS.has(type) ? animalAttributes(parameters, type) : {}),
  };
}

/** `Biped`, `Quadruped`, `Phantom`, `Other`, `OtherAnimal`; empty where nobody asked (ParaVision 5). */
function subjectType(parameters: Parameters): string {
  return parameters.text('VisuSubjectType') ?? parameters.text('SUBJECT_type') ?? '';
}

/** PS3.3 Section C.7.3.1.1.2; empty when it is not known. */
export function patientPosition(parameters: Parameters): string {
  const position = parameters.text('VisuSubjectPosition') ?? parameters.text('ACQ_patient_pos') ?? '';
  return POSITIONS[position] ?? '';
}

/** LO or SH: one line, without what separates values. */
export function shortText(text: string | undefined, length: number): string {
  const line = (text ?? '').replaceAll(/[\\\p{Cc}]+/gu, ' ').trim();
  // By characters, as PS3.5 Section 6.2 counts: half of a pair of surrogates is none.
  return line.length <= length
    ? line
    : Array.from(line.slice(0, 2 * length))
        .slice(0, length)
        .join('')
        .trim();
}

/** PN: at most five components of one group, 64 characters (PS3.5 Table 6.2-1). */
export function personName(text: string | undefined): string {
  return shortText(text, 64).replaceAll('=', ' ').split('^').slice(0, 5).join('^').replace(/\^+$/, '');
}

function sexOf(parameters: Parameters): string {
  const said = ['VisuSubjectSex', 'SUBJECT_sex_animal', 'SUBJECT_sex'].map((name) => parameters.text(name));
  return said.map((one) => SEXES[one?.toLowerCase() ?? '']).find((one) => one !== undefined) ?? '';
}

/** PS3.3 Section C.7.1.1: what a non-human organism needs; the system of axes by C.7.6.2.1.1. */
function animalAttributes(parameters: Parameters, type: string): Attributes {
  const species = parameters.text('VisuSubjectSpecies') ?? parameters.text('SUBJECT_species');
  const code = SPECIES.find(([pattern]) => pattern.test(species ?? ''))?.[1];
  return {
    ...(type === 'Quadruped' ? { AnatomicalOrientationType: 'QUADRUPED' } : {}),
    PatientSpeciesDescription: shortText(species, 64) || 'Animal, species not recorded',
    ...(code === undefined
      ? {}
      : {
          PatientSpeciesCodeSequence: [{ CodeValue: code[0], CodingSchemeDesignator: 'SCT', CodeMeaning: code[1] }],
        }),
    PatientBreedDescription: shortText(parameters.text('VisuSubjectBreed') ?? parameters.text('SUBJECT_breed'), 64),
    PatientBreedCodeSequence: [],
    BreedRegistrationSequence: [],
    ResponsiblePerson: '',
    ResponsibleOrganization: '',
    PatientSexNeutered: '',
  };
}
