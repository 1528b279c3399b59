import type { Ledger } from '../../core/ledger.ts';
import type { PartnerGrant } from '../../core/partners.ts';

/** Nothing else is granted, whatever was before. */
export async function grantOnly(ledger: Pick<Ledger, 'partners'>, partner: string, grant: PartnerGrant): Promise<void> {
  const none = { suspended: null, expiresAtMs: null, routes: null, types: null, fromMs: null, quotas: null };
  await ledger.partners.changeGrant(partner, { ...none, ...grant }, 'test');
}
