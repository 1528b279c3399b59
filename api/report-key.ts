/** `/partner/v1/report-key`: the public key that proves the hub's de-identification reports, for whoever has a token. */
import { Router } from 'express';
import type { Role } from '../core/ledger/tokens.ts';
import type { Access } from './operation.ts';

const ANYBODY: readonly Role[] = ['admin', 'operator', 'auditor', 'partner'];

/** To be mounted at `/partner/v1/report-key`. @param publicKeyPem - SubjectPublicKeyInfo, as openssl reads it */
export function reportKeyRouter(access: Pick<Access, 'require'>, publicKeyPem: string): Router {
  const router = Router();
  router.get('/', access.require(...ANYBODY), (_request, response) => {
    response.type('application/x-pem-file').send(publicKeyPem);
  });
  return router;
}
