/** Looks UIDs up in the crosswalk of one recipient: asks for their keys, opens what is found. */
import { HubError } from '../../core/errors.ts';
import type { CrosswalkKind, CrosswalkLedger } from '../../core/ledger/crosswalk.ts';
import { crosswalkCodec, type CrosswalkCodec, type PartContent, type StudyContent } from './codec.ts';

/** Of one question to the ledger. */
const KEYS_AT_ONCE = 256;
/** Opened parts that are kept, of some 25 kB each. */
const MAX_OPENED = 512;

/** One place where a UID as released is known from. */
export interface Found {
  readonly kind: CrosswalkKind;
  readonly original: string;
  readonly content: PartContent;
}

interface Opened {
  readonly content: PartContent;
  readonly originals: ReadonlyMap<string, string>;
}

export class Crosswalk {
  readonly #codec: CrosswalkCodec;
  readonly #ledger: Pick<CrosswalkLedger, 'find'>;
  readonly #opened = new Map<number, Opened>();

  /** @param secret - see `CROSSWALK_PURPOSE` */
  constructor(secret: Uint8Array, recipient: string, ledger: Pick<CrosswalkLedger, 'find'>) {
    this.#codec = crosswalkCodec(secret, recipient);
    this.#ledger = ledger;
  }

  /**
   * Of those that are known. By kind in the order of `CROSSWALK_KINDS`, the latest first.
   *
   * @throws {HubError} `crosswalk.unreadable` when the key is not the one it was sealed with
   */
  async find(uids: Iterable<string>): Promise<ReadonlyMap<string, readonly Found[]>> {
    const found = new Map<string, readonly Found[]>();
    const asked = [...new Set(uids)];
    for (let at = 0; at < asked.length; at += KEYS_AT_ONCE) {
      const byKey = new Map(asked.slice(at, at + KEYS_AT_ONCE).map((uid) => [this.#codec.uidKey(uid), uid]));
      const { hits, parts } = await this.#ledger.find([...byKey.keys()]);
      const sealed = new Map(parts.map((part) => [part.part, part]));
      for (const [key, some] of Map.groupBy(hits, ({ uidKey }) => uidKey)) {
        const uid = byKey.get(key) ?? '';
        const places = some.flatMap(({ kind, part }): readonly Found[] => {
          const { content, originals } = this.#open(part, sealed.get(part));
          const original = originals.get(uid);
          return original === undefined ? [] : [{ kind, original, content }];
        });
        if (places.length > 0) found.set(uid, places);
      }
    }
    return found;
  }

  /** What is known of a study as released, the latest first. */
  async studies(uid: string): Promise<readonly StudyContent[]> {
    const places = (await this.find([uid])).get(uid) ?? [];
    return places.flatMap(({ content }) => (content.kind === 'study' ? [content] : []));
  }

  #open(number: number, part: { readonly partKey: string; readonly sealed: string } | undefined): Opened {
    const known = this.#opened.get(number);
    if (known !== undefined) return known;
    // A row that is named and not there.
    if (part === undefined) throw new HubError('crosswalk.unreadable');
    const content = this.#codec.open(part);
    const opened = { content, originals: originalsOf(content) };
    if (this.#opened.size >= MAX_OPENED) this.#opened.clear();
    this.#opened.set(number, opened);
    return opened;
  }
}

function originalsOf(content: PartContent): ReadonlyMap<string, string> {
  switch (content.kind) {
    case 'study':
      return new Map([content.study]);
    case 'series':
      return new Map([content.series, ...content.uids]);
    case 'others':
      return new Map(content.uids);
    case 'returned':
      return new Map(content.uids.map((uid) => [uid, uid]));
    default:
      return content satisfies never;
  }
}
