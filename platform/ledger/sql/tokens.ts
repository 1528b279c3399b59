/** Bearer tokens: only digests of them are kept. */
import { HubError } from '../../../core/errors.ts';
import type { Page } from '../../../core/ledger/common.ts';
import type { Role, TokenRow } from '../../../core/ledger/tokens.ts';
import type { PartnerScope } from '../../../core/partners.ts';
import type { Database, Script } from './script.ts';

export type NewToken = Omit<TokenRow, 'lastUsedAt' | 'revokedAt'> & { readonly secretSha256: string };

/** How exactly the last use is noted: a write for each request would make the ledger as slow as its disk. */
export const TOKEN_USE_RESOLUTION_MS = 60_000;

export function tokenWrites(db: Database) {
  const insert = db.query(
    `INSERT INTO tokens (token_id, secret_sha256, role, partner, created_at, expires_at, scopes) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const revoke = db.query('UPDATE tokens SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL');
  const used = db.query('UPDATE tokens SET last_used_at = ? WHERE token_id = ?');

  const expire = db.query(`UPDATE tokens SET expires_at = ? WHERE token_id = ? AND partner = ? AND revoked_at IS NULL`);
  const one = db.query<TokenTableRow>(`SELECT * FROM tokens WHERE token_id = ?${db.dialect.forUpdate}`);
  const unrevoked = db.query<TokenTableRow>('SELECT * FROM tokens WHERE partner = ? AND revoked_at IS NULL');

  const create = function* (token: NewToken): Script<void> {
    yield* insert.send(
      token.tokenId,
      token.secretSha256,
      token.role,
      token.partner,
      token.createdAt,
      token.expiresAt,
      token.scopes === undefined ? undefined : JSON.stringify(token.scopes),
    );
  };

  return {
    *create(_now: Date, token: NewToken): Script<void> {
      yield* create(token);
    },
    *replace(
      now: Date,
      tokenId: string,
      token: NewToken & { readonly partner: string },
      oldUntil: Date,
      atMost: number,
    ): Script<'replaced' | 'not-found' | 'too-many'> {
      // Two at the same moment would both find room for the last one.
      yield* db.lock(`tokens of ${token.partner}`);
      const old = yield* one.get(tokenId);
      if (old === undefined || old.partner !== token.partner || !isUsable(old, now)) return 'not-found';
      const usable = (yield* unrevoked.all(token.partner)).filter((row) => isUsable(row, now));
      // With no overlap there are no more than before.
      if (usable.length >= atMost && oldUntil > now) return 'too-many';
      // Never longer than it was given.
      const ends = Math.min(oldUntil.getTime(), old.expires_at === null ? Infinity : Date.parse(old.expires_at));
      yield* expire.send(new Date(ends).toISOString(), tokenId, token.partner);
      yield* create(token);
      return 'replaced';
    },
    *revoke(now: Date, tokenId: string): Script<boolean> {
      return (yield* revoke.run(now.toISOString(), tokenId)) === 1;
    },
    *used(now: Date, tokenId: string): Script<void> {
      yield* used.send(now.toISOString(), tokenId);
    },
  };
}

interface TokenTableRow {
  readonly token_id: string;
  readonly role: Role;
  readonly partner: string | null;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
  readonly revoked_at: string | null;
  readonly scopes: string | null;
}

/** Compared as times: an expiry may be written in another precision or zone than ours. One that is no time has passed. */
function isUsable({ revoked_at, expires_at }: TokenTableRow, now: Date): boolean {
  return revoked_at === null && (expires_at === null || Date.parse(expires_at) > now.getTime());
}

/** Sorts behind each time there is. */
const AFTER_ALL = '~';

export function tokenReads(db: Database) {
  const usable = db.query<TokenTableRow>('SELECT * FROM tokens WHERE secret_sha256 = ? AND revoked_at IS NULL');
  const list = db.query<TokenTableRow>('SELECT * FROM tokens ORDER BY created_at, token_id');
  const ofPartner = db.query<TokenTableRow>('SELECT * FROM tokens WHERE partner = ? ORDER BY created_at, token_id');
  const one = db.query<TokenTableRow>('SELECT * FROM tokens WHERE token_id = ?');
  const NEWEST_FIRST = 'ORDER BY created_at DESC, token_id DESC LIMIT ?';
  const newest = db.query<TokenTableRow>(`SELECT * FROM tokens WHERE (created_at, token_id) < (?, ?) ${NEWEST_FIRST}`);
  const newestOfPartner = db.query<TokenTableRow>(
    `SELECT * FROM tokens WHERE partner = ? AND (created_at, token_id) < (?, ?) ${NEWEST_FIRST}`,
  );

  return {
    *find(now: Date, secretSha256: string): Script<TokenRow | undefined> {
      const row = yield* usable.get(secretSha256);
      return row !== undefined && isUsable(row, now) ? toToken(row) : undefined;
    },
    *ofPartner(partner: string): Script<readonly TokenRow[]> {
      return (yield* ofPartner.all(partner)).map(toToken);
    },
    *list(): Script<readonly TokenRow[]> {
      return (yield* list.all()).map(toToken);
    },
    *page({ limit, before, partner }: Page & { readonly partner?: string }): Script<readonly TokenRow[]> {
      const last = before === undefined ? undefined : yield* one.get(before);
      // Another partner's is as good as not there.
      if (before !== undefined && (last === undefined || (partner !== undefined && last.partner !== partner))) {
        throw new HubError('request.invalid', { detail: 'the page goes on after a row that is not there' });
      }
      const place = [last?.created_at ?? AFTER_ALL, last?.token_id ?? ''] as const;
      const rows =
        partner === undefined
          ? yield* newest.all(...place, limit)
          : yield* newestOfPartner.all(partner, ...place, limit);
      return rows.map(toToken);
    },
  };
}

function toToken(row: TokenTableRow): TokenRow {
  return {
    tokenId: row.token_id,
    role: row.role,
    ...(row.partner === null ? {} : { partner: row.partner }),
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
    // Checked when it was made.
    ...(row.scopes === null ? {} : { scopes: JSON.parse(row.scopes) as readonly PartnerScope[] }),
  };
}
