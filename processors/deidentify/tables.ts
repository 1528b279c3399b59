/**
 * The tables of PS3.15 Annex E as data: edition and source stand in each file under tables/. A table that is not the
 * one this code was checked against is refused, so that an edited file cannot quietly let an identifier through.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { HubError } from '../../core/errors.ts';
import attributeTypes from './tables/attribute-types.json' with { type: 'json' };
import cid7050 from './tables/cid7050.json' with { type: 'json' };
import structuredContent from './tables/clean-structured-content.json' with { type: 'json' };
import confidentialityProfile from './tables/confidentiality-profile.json' with { type: 'json' };
import registeredUids from './tables/registered-uids.json' with { type: 'json' };
import safePrivate from './tables/safe-private.json' with { type: 'json' };

/** SHA-256 of each table's rows as JSON without white space. */
const DIGESTS = {
  profile: 'fe5fb4057bf4497f5a044712699c30d86f2505ca1039002e8dcc582984741241',
  safePrivate: '0622acc883fd686f87cdd134a7b0bfe9f3da6d32c437b3a9c8cc9930a72173cc',
  structuredContent: '20a0e21ded56f7592274641b430f4b881ad68cb10fc8131afa6981f98af0dd3b',
  methodCodes: 'd28566b521d70354629dcdd71ef56dcec08fe4332c61871322061c3466ce8e2f',
  attributeTypes: 'c686d61064df3ec6905d4ad1c5a158b3d8e328a3023adfdd52e08068ddd9c7d0',
  registeredUids: '49c1c32bc7c4d26fa80c9348e4022c9c05be7195edd30f52bc66e7c7380af142',
} as const;

/** Action codes of PS3.15 Table E.1-1a, compound ones included. */
export const ACTION_CODES = ['X', 'Z', 'D', 'U', 'K', 'C', 'Z/D', 'X/Z', 'X/D', 'X/Z/D', 'X/Z/U*'] as const;
export type ActionCode = (typeof ACTION_CODES)[number];

const profileRow = z.object({
  /** Eight hexadecimal digits, a mask (`60xx3000`), or `private`. */
  tag: z.string(),
  name: z.string(),
  keyword: z.string().nullable(),
  vr: z.array(z.string()).nullable(),
  basic: z.enum(ACTION_CODES),
  options: z.record(z.string(), z.enum(['K', 'C'])),
});
export type ProfileRow = z.infer<typeof profileRow>;

const safePrivateRow = z.object({ group: z.string(), element: z.string(), creator: z.string(), vr: z.string() });
export type SafePrivateRow = z.infer<typeof safePrivateRow>;

/** Edition of the standard the profile is of. */
export const TABLE_EDITION: string = confidentialityProfile.edition;

/** Table E.1-1, all 656 rows. */
export const PROFILE_ROWS: readonly ProfileRow[] = z
  .array(profileRow)
  .parse(checked(confidentialityProfile.rows, DIGESTS.profile, 'confidentiality-profile.json'));

/** Table E.3.10-1. */
export const SAFE_PRIVATE_ROWS: readonly SafePrivateRow[] = z
  .array(safePrivateRow)
  .parse(checked(safePrivate.rows, DIGESTS.safePrivate, 'safe-private.json'));

const structuredContentRow = z.object({
  code: z.string(),
  scheme: z.string(),
  valueType: z.string(),
  basic: z.enum(['X', 'D', 'X/D']),
  options: z.record(z.string(), z.enum(['K', 'C'])),
});
export type StructuredContentRow = z.infer<typeof structuredContentRow>;

/** Table E.3.4-1. */
export const STRUCTURED_CONTENT_ROWS: readonly StructuredContentRow[] = z
  .array(structuredContentRow)
  .parse(checked(structuredContent.rows, DIGESTS.structuredContent, 'clean-structured-content.json'));

/** PS3.16 CID 7050: what the markers say, by code. */
export const METHOD_MEANINGS: ReadonlyMap<string, string> = new Map(
  checked(cid7050.codes, DIGESTS.methodCodes, 'cid7050.json').map(({ code, meaning }) => [code, meaning]),
);

const { iods, sopClasses, types } = attributeTypes;
/** Types of PS3.3: IODs by SOP class, and which of them demand an attribute, by the keywords of its path. */
export const ATTRIBUTE_TYPES: {
  readonly iods: readonly string[];
  readonly sopClasses: Readonly<Record<string, number>>;
  readonly types: Readonly<Record<string, { readonly 1?: readonly number[]; readonly 2?: readonly number[] }>>;
} = checked({ iods, sopClasses, types }, DIGESTS.attributeTypes, 'attribute-types.json');

const registered = new Set(Object.keys(checked(registeredUids.uids, DIGESTS.registeredUids, 'registered-uids.json')));
/** PS3.6 Table A-3: context group UIDs, more than a thousand. */
const CONTEXT_GROUP_UID = /^1\.2\.840\.10008\.6\.1\.\d+$/;

/** True for a UID of PS3.6 Annex A: it names a thing of the standard, not of a patient, and is never replaced. */
export function isRegisteredUid(uid: string): boolean {
  return registered.has(uid) || CONTEXT_GROUP_UID.test(uid);
}

/** One digest over all tables, for the plan's hash. */
export const TABLES_DIGEST = createHash('sha256').update(JSON.stringify(DIGESTS)).digest('hex');

function checked<Rows>(rows: Rows, digest: string, file: string): Rows {
  const actual = createHash('sha256').update(JSON.stringify(rows)).digest('hex');
  if (actual !== digest)
    throw new HubError('config.invalid', { detail: `${file} is not the table this version was checked with` });
  return rows;
}
