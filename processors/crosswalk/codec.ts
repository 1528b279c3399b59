/**
 * Sealed parts of the crosswalk (AES-256-GCM) and the digests they are found by. Each recipient has keys of its own,
 * derived from the crosswalk's: what was mapped for one is found by nobody who asks for another.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { HubError } from '../../core/errors.ts';

/** Whose secret the keys come from; see `DataFolder.secret`. */
export const CROSSWALK_PURPOSE = 'crosswalk';

/** As released, and as it was. */
export type Pair = readonly [released: string, original: string];

/** What one part says. */
export type PartContent = StudyContent | SeriesContent | OthersContent | ReturnedContent;

export interface StudyContent {
  readonly kind: 'study';
  readonly study: Pair;
  readonly patient: { readonly issuer: string; readonly id: string };
  /** Patient ID as released; empty when it was not. */
  readonly releasedPatientId: string;
  readonly policy: string;
  readonly policyHash: string;
  /** Added to dates; absent where they were not moved. */
  readonly shiftDays?: number;
  /** Days, `YYYYMMDD`, as they were, that stood in what was moved. */
  readonly days: readonly string[];
  /** Patient ID, Accession Number, Study ID. */
  readonly texts: readonly Pair[];
  /** Patient and study modules of the original, in explicit VR little endian, base64. */
  readonly attributes: string;
}

export interface SeriesContent {
  readonly kind: 'series';
  /** As released, here and below. */
  readonly study: string;
  readonly series: Pair;
  readonly uids: readonly Pair[];
}

export interface OthersContent {
  readonly kind: 'others';
  readonly study: string;
  readonly uids: readonly Pair[];
}

/** Objects of the partner's own that were let through: what it returns later may refer to them. */
export interface ReturnedContent {
  readonly kind: 'returned';
  readonly study: string;
  readonly uids: readonly string[];
}

export interface SealedPart {
  readonly partKey: string;
  readonly sealed: string;
}

export interface CrosswalkCodec {
  /** A keyed digest of a UID as released. */
  uidKey(uid: string): string;
  seal(content: PartContent): SealedPart;
  /** @throws {HubError} `crosswalk.unreadable` when it was sealed with another key, for another recipient, or changed */
  open(part: SealedPart): PartContent;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 120 bits: two UIDs of a billion come to the same key once in 10^18 hubs. */
const KEY_CHARACTERS = 20;

/**
 * @param secret - 32 bytes, the same in all replicas
 * @param recipient - the partner, or the policy that releases for none
 */
export function crosswalkCodec(secret: Uint8Array, recipient: string): CrosswalkCodec {
  const keyFor = (purpose: string): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', `imaging-hub crosswalk\0${recipient}\0${purpose}`, 32)));
  const keys = { uid: keyFor('uid'), part: keyFor('part'), seal: keyFor('seal') };
  const digest = (key: KeyObject, data: string | Uint8Array) =>
    createHmac('sha256', key).update(data).digest('base64url').slice(0, KEY_CHARACTERS);
  return {
    uidKey: (uid) => digest(keys.uid, uid),
    seal: (content) => {
      const text = Buffer.from(JSON.stringify(content), 'utf8');
      const partKey = digest(keys.part, text);
      const nonce = randomBytes(NONCE_BYTES);
      // Its name is sealed along: a part put in the place of another one does not open.
      const cipher = createCipheriv('aes-256-gcm', keys.seal, nonce).setAAD(Buffer.from(partKey));
      const body = Buffer.concat([cipher.update(deflateRawSync(text)), cipher.final()]);
      return { partKey, sealed: Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64') };
    },
    open: ({ partKey, sealed }) => {
      try {
        const bytes = Buffer.from(sealed, 'base64');
        const decipher = createDecipheriv('aes-256-gcm', keys.seal, bytes.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        })
          .setAAD(Buffer.from(partKey))
          .setAuthTag(bytes.subarray(-TAG_BYTES));
        const body = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
        return parseContent(inflateRawSync(body));
      } catch (error) {
        throw new HubError('crosswalk.unreadable', {}, error);
      }
    },
  };
}

/** Authenticated: it is what `seal` was given. */
function parseContent(bytes: Uint8Array): PartContent {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as PartContent;
}
