/** Tokens and their roles. */
import type { PartnerScope } from '../partners.ts';
import type { Page } from './common.ts';

export type Role = 'admin' | 'operator' | 'auditor' | 'partner' | 'reidentifier';

export interface TokenRow {
  readonly tokenId: string;
  readonly role: Role;
  readonly partner?: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly lastUsedAt?: string;
  readonly revokedAt?: string;
  /** Of a partner's token. Absent: it was made before tokens had scopes. */
  readonly scopes?: readonly PartnerScope[];
}

export interface TokensLedger {
  create(
    token: Omit<TokenRow, 'lastUsedAt' | 'revokedAt'> & {
      readonly secretSha256: string;
    },
  ): Promise<void>;
  /** Only a token that may be used now: not revoked, not expired. Notes when it was used, to the minute. */
  find(secretSha256: string): Promise<TokenRow | undefined>;
  list(): Promise<readonly TokenRow[]>;
  /** Newest first. @throws {HubError} `request.invalid` when the row that the page goes on after is not there, or not the partner's */
  page(page: Page & { readonly partner?: string }): Promise<readonly TokenRow[]>;
  ofPartner(partner: string): Promise<readonly TokenRow[]>;
  revoke(tokenId: string): Promise<boolean>;
  /**
   * A new token of the same partner takes over; the old one ends then, if not before. `not-found`: the old one cannot be
   * used. `too-many`: the partner has so many that can be used already, and the old one would be another.
   */
  replace(
    tokenId: string,
    token: Omit<TokenRow, 'lastUsedAt' | 'revokedAt'> & { readonly secretSha256: string; readonly partner: string },
    oldUntil: Date,
    atMost: number,
  ): Promise<'replaced' | 'not-found' | 'too-many'>;
}
