/** One entry of `policies:`: what a partner may see, in the words of PS3.15 Annex E. */
import * as z from 'zod';
import { lookup } from '../../core/dicom/dictionary.ts';
import { pixelPolicySchema } from './pixels/pixel-policy.ts';
import { contradictionsOf } from './contradictions.ts';
import { isPrivateListName, PRIVATE_LIST_NAMES } from './private-lists.ts';

/** The options of PS3.15 Table E.1-1, with the code that says so in the output (PS3.16 CID 7050). */
export const PROFILE_OPTIONS = {
  'clean-pixel-data': { code: '113101', column: undefined },
  'clean-recognizable-visual-features': { code: '113102', column: undefined },
  'clean-graphics': { code: '113103', column: 'cleanGraphics' },
  'clean-structured-content': { code: '113104', column: 'cleanStructuredContent' },
  'clean-descriptors': { code: '113105', column: 'cleanDescriptors' },
  'retain-longitudinal-full-dates': { code: '113106', column: 'retainLongitudinalFullDates' },
  'retain-longitudinal-modified-dates': {
    code: '113107',
    column: 'retainLongitudinalModifiedDates',
  },
  'retain-patient-characteristics': { code: '113108', column: 'retainPatientCharacteristics' },
  'retain-device-identity': { code: '113109', column: 'retainDeviceIdentity' },
  'retain-uids': { code: '113110', column: 'retainUIDs' },
  'retain-safe-private': { code: '113111', column: undefined },
  'retain-institution-identity': { code: '113112', column: 'retainInstitutionIdentity' },
} as const satisfies Record<string, { code: string; column: string | undefined }>;

export type ProfileOption = keyof typeof PROFILE_OPTIONS;

const optionsBySpelling = new Map(
  Object.keys(PROFILE_OPTIONS)
    .filter((name) => isProfileOption(name))
    .map((name) => [simplified(name), name]),
);

/** `Retain Longitudinal Temporal Information Modified Dates Option`, `retainUIDs` and `retain-uids` are all understood. */
const optionSchema = z
  .string()
  .transform((text, context): ProfileOption => {
    const option = optionsBySpelling.get(simplified(text));
    if (option !== undefined) return option;
    context.issues.push({
      code: 'custom',
      input: text,
      message: `no such option of PS3.15; one of ${Object.keys(PROFILE_OPTIONS).join(', ')}`,
    });
    return z.NEVER;
  })
  .describe('An option of PS3.15 Annex E by name.');

const hex = (digits: number) =>
  z.string().regex(new RegExp(`^[0-9A-Fa-f]{${digits}}$`), `${digits} hexadecimal digits`);

/** Text and bytes can hold anything; these VRs can not. */
const PRIVATE_VRS = ['CS', 'DS', 'IS', 'FD', 'FL', 'SL', 'SS', 'SV', 'UL', 'US', 'UV', 'LO', 'SH', 'SQ'] as const;
const TEXTUAL_VRS = new Set<string>(['CS', 'DS', 'IS', 'LO', 'SH']);

const privateElementSchema = z
  .strictObject({
    creator: z.string().min(1).max(64).describe('Private Creator, exactly, as in the data set.'),
    group: hex(4).describe('Odd group, hexadecimal: 0019.'),
    element: hex(2).describe('Low byte of the element number, hexadecimal: 0C.'),
    vr: z.enum(PRIVATE_VRS),
    pattern: z.string().max(256).optional().describe('Every value as text must match this as a whole.'),
  })
  .superRefine((entry, context) => {
    const complain = (path: string, message: string) =>
      context.issues.push({ code: 'custom', path: [path], message, input: entry });
    if (Number.parseInt(entry.group, 16) % 2 === 0) complain('group', 'a private group is odd');
    if ((entry.vr === 'LO' || entry.vr === 'SH') && entry.pattern === undefined)
      complain('pattern', 'a text needs a pattern that says what it may hold');
    if (entry.pattern !== undefined && !isPattern(entry.pattern)) complain('pattern', 'not a regular expression');
    if (entry.pattern !== undefined && !TEXTUAL_VRS.has(entry.vr))
      complain('pattern', `values of ${entry.vr} are no text that could match`);
  });

/** `siemens-mr-diffusion`: elements that come with the hub. */
const privateListSchema = z
  .string()
  .refine(isPrivateListName, `no such list of private elements; one of ${PRIVATE_LIST_NAMES.join(', ')}`);

/**
 * What an override may say: the action codes of PS3.15 Table E.1-1a in words. Cleaned is what a text is where Clean
 * Descriptors says C; what has no harmless word in it is replaced.
 */
export const OVERRIDE_ACTIONS = {
  keep: 'K',
  remove: 'X',
  empty: 'Z',
  replace: 'D',
  'new-uid': 'U',
  clean: 'C',
} as const;

const policyEntry = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'letters, digits, dot, dash and underscore'),
  profile: z.literal('basic').describe('Basic Application Level Confidentiality Profile, PS3.15 Section E.2.'),
  partner: z.string().min(1).max(64).optional().describe('For whom it releases; without it, the partner of that name.'),
  options: z.array(optionSchema).default([]),
  privateAllow: z
    .array(z.union([privateListSchema, privateElementSchema]))
    .default([])
    .describe(
      'Private elements to keep besides those of an option: lists that come with the hub by name, or one by one.',
    ),
  overrides: z
    .record(
      z.string().refine((keyword) => lookup(keyword) !== undefined, 'not a keyword of PS3.6'),
      z.enum(['keep', 'remove', 'empty', 'replace', 'new-uid', 'clean']),
    )
    .default({})
    .describe('Action by attribute keyword; goes before profile and options.'),
  classes: z
    .array(z.string().regex(/^[0-9.]{1,64}$/, 'a UID'))
    .default([])
    .describe('SOP Class UIDs to process that are otherwise held: secondary capture, ultrasound, private classes.'),
  keyDigest: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'a SHA-256 as 64 lower-case hexadecimal digits')
    .optional()
    .describe('SHA-256 of the key. With another key nothing is released: names would not fit those given before.'),
  pixels: pixelPolicySchema
    .prefault({})
    .describe('What happens to text and faces in pictures (PS3.15 Sections E.3.1 and E.3.2).'),
  whenUnsure: z
    .literal('quarantine')
    .default('quarantine')
    .describe('The whole study is held; there is no other choice.'),
});

export type Policy = z.infer<typeof policyEntry>;

/** One entry of `policies:`. */
export const policySchema = policyEntry.superRefine((policy, context) => {
  for (const { path, message } of contradictionsOf(policy))
    context.addIssue({ code: 'custom', path, message, input: policy });
});

function isProfileOption(name: string): name is ProfileOption {
  return Object.hasOwn(PROFILE_OPTIONS, name);
}

function simplified(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z]/g, '')
    .replace('temporalinformation', '')
    .replace(/option$/, '');
}

function isPattern(source: string): boolean {
  try {
    new RegExp(source, 'u');
    return true;
  } catch {
    // The constructor is the only judge of a pattern.
    return false;
  }
}
