/** The administration API over a ledger of its own, behind the hub's HTTP server on a free port. */
import type { ApiPorts } from '../../api/ports.ts';
import { createApiRouter } from '../../api/router.ts';
import type { Ledger } from '../../core/ledger.ts';
import { createToken } from '../../platform/auth/token.ts';
import { TestClock } from '../contracts/ledger-facts.ts';
import { openTestLedger } from './open-ledger.ts';
import { type RunningHttp, startHttp } from './running-http.ts';
import { silentLog } from './silent-log.ts';

export type Json = Readonly<Record<string, unknown>>;
type Headers = Readonly<Record<string, string>>;

export interface RunningApi {
  readonly ledger: Ledger;
  readonly http: RunningHttp;
  /** Headers of an administrator. */
  readonly admin: Headers;
  /** As the administrator unless `headers` say otherwise. @param path - below /api/v1 */
  call(
    method: string,
    path: string,
    more?: { readonly headers?: Headers | undefined; readonly body?: unknown },
  ): Promise<{ readonly status: number; readonly body: Json }>;
  stop(): Promise<void>;
}

const NOTHING: ReturnType<ApiPorts['catalogue']> = {
  ...{ configVersion: 'abc', routes: [], partners: [], destinations: [], policies: [] },
};

/** @param given - what the API is about in this test; a configuration without anything unless it says otherwise */
export async function startApi(
  given: Partial<Omit<ApiPorts, 'ledger' | 'access' | 'clock'>> & { readonly clock?: TestClock },
): Promise<RunningApi> {
  const { clock = new TestClock(), ...more } = given;
  const { ledger, remove } = await openTestLedger(clock);
  const http = await startHttp(
    ledger,
    (access) => [
      {
        path: '/api/v1',
        router: createApiRouter({
          ...{ ledger, access, clock, log: silentLog, hubName: 'savilahti', mintToken: createToken },
          catalogue: () => NOTHING,
          ...more,
        }),
      },
    ],
    { clock },
  );
  const admin = await http.as('admin');
  return {
    ...{ ledger, http, admin },
    call: async (method, path, { headers = admin, body } = {}) => {
      const response = await fetch(`${http.url}/api/v1${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as Json };
    },
    stop: async () => {
      await http.stop();
      await remove();
    },
  };
}
