import { expect } from 'chai';
import type { Role } from '../../core/ledger/tokens.ts';
import { type Json, type RunningApi, startApi } from '../support/running-api.ts';

describe('the administration API as it describes itself', () => {
  let api: RunningApi;

  beforeEach(async () => {
    api = await startApi({});
  });
  afterEach(() => api.stop());

  const call = (method: string, path: string, headers?: Readonly<Record<string, string>>) =>
    api.call(method, path, { headers });
  const description = () => call('GET', '/openapi.json', {});

  it('is OpenAPI 3.1 and open to tools without a token', async () => {
    const { status, body } = await description();

    expect(status).to.equal(200);
    expect(body).to.include({ openapi: '3.1.0' });
    expect(body['security']).to.deep.equal([{ token: [] }]);
  });

  it('names each path it serves, with its parameters, and serves no other', async () => {
    const { body } = await description();
    const paths = body['paths'] as Readonly<Record<string, Readonly<Record<string, Json>>>>;
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, each]) => ({ path, method, each })),
    );

    const unauthenticated = await Promise.all(
      operations.map(
        async ({ path, method }) => (await call(method.toUpperCase(), path.replace(/\{\w+\}/g, 'x'), {})).status,
      ),
    );

    expect(unauthenticated).to.deep.equal(operations.map(() => 401));
    expect(new Set(operations.map(({ each }) => each['operationId'])).size).to.equal(operations.length);
    for (const { path, each } of operations) {
      const named = (each['parameters'] as readonly Json[])
        .filter((parameter) => parameter['in'] === 'path')
        .map(({ name }) => name);
      expect(named).to.deep.equal([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
    expect((await call('GET', '/something-else')).status).to.equal(404);
  });

  it('tells roles as they are enforced', async () => {
    const { body } = await description();
    const paths = body['paths'] as Readonly<Record<string, Readonly<Record<string, Json>>>>;
    const roles: readonly Role[] = ['admin', 'operator', 'auditor'];
    const headers = Object.fromEntries(
      await Promise.all(roles.map(async (role) => [role, await api.http.as(role)] as const)),
    );

    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, each] of Object.entries(methods)) {
        const allowed = String(each['description']);
        for (const role of roles) {
          const { status } = await call(method.toUpperCase(), path.replace(/\{\w+\}/g, 'x'), headers[role] ?? {});
          expect(status === 403, `${method} ${path} as ${role}`).to.equal(!allowed.includes(role));
        }
      }
    }
  });
});
