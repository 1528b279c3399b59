/** Who may read and who may change: the roles of the API's operations. */
import type { Role } from '../core/ledger.ts';

export const READERS: readonly Role[] = ['admin', 'operator', 'auditor'];
export const OPERATORS: readonly Role[] = ['admin', 'operator'];
export const ADMINS: readonly Role[] = ['admin'];
