/** What a path answers to a method that it has not got: 405 with those it has, and OPTIONS by their names (RFC 9110 Sections 9.3.7, 15.5.6). */
import { HubError } from './errors.ts';

interface Asked {
  readonly method?: string | undefined;
}
interface Answered {
  setHeader(name: string, value: string): unknown;
  writeHead(status: number): { end(): unknown };
}

/**
 * Lets pass what the path answers, so that it may stand before that as well as behind it. Before several routers it has to:
 * the first of them with the path would answer OPTIONS for all.
 *
 * @param methods - those the path has, in any case and order; `GET` brings `HEAD` with it
 * @throws {HubError} `request.method`, which names them
 */
export function otherMethods(
  methods: readonly string[],
): (request: Asked, response: Answered, next: () => void) => void {
  const has = new Set(methods.map((method) => method.toUpperCase()));
  if (has.has('GET')) has.add('HEAD');
  const allow = [...has.add('OPTIONS')].sort().join(', ');
  return ({ method = '' }, response, next) => {
    if (method === 'OPTIONS') {
      response.setHeader('Allow', allow);
      response.writeHead(204).end();
    } else if (has.has(method)) next();
    else throw new HubError('request.method', { allow });
  };
}

/** The methods of each path that operations have, and the path in the server's writing: `/studies/{uid}` is `/studies/:uid`. */
export function methodsByPath(
  operations: readonly { readonly method: string; readonly path: string }[],
): ReadonlyMap<string, readonly string[]> {
  const byPath = new Map<string, string[]>();
  for (const { method, path } of operations) {
    const served = path.replaceAll(/\{(\w+)\}/g, ':$1');
    byPath.set(served, [...(byPath.get(served) ?? []), method]);
  }
  return byPath;
}
