/** The administration API's description, of its operations. */
import { openApi } from '../core/openapi.ts';
import type { Operation } from './operation.ts';

export function openApiDocument(operations: readonly Operation[], version: string): Record<string, unknown> {
  return openApi({
    title: 'Imaging hub',
    description: 'Administration of the hub. Errors are problem details (RFC 9457).',
    version,
    server: '/api/v1',
    token: 'A token of `hub token create`.',
    refusals: { 401: 'No valid token', 403: 'The token has not the role for this' },
    operations: operations.map(({ answer, isPage, roles, ...each }) => ({
      ...each,
      description: `Roles: ${roles.join(', ')}.`,
      needs: roles,
      answer: { [isPage ? 'text/html' : 'application/json']: answer },
    })),
  });
}
