/** Who may read and who may change: the roles of the API's operations. */
import type { Role } from '../core/ledger/tokens.ts';

export const READERS: readonly Role[] = ['admin', 'operator', 'auditor'];
export const OPERATORS: readonly Role[] = ['admin', 'operator'];
export const ADMINS: readonly Role[] = ['admin'];
/** Nobody else, and nothing else: who keeps the hub running need not know whose a partner's copy is. */
export const REIDENTIFIERS: readonly Role[] = ['reidentifier'];
