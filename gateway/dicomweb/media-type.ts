/** A media type with its parameters (RFC 9110 Section 8.3.1). */

export interface MediaType {
  /** Lower case; empty where none is named. */
  readonly type: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const PARAMETER = /;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g;

export function parseMediaType(value: string): MediaType {
  const [, type = '', rest = ''] = /^\s*([^;]*?)\s*(;.*)?$/s.exec(value) ?? [];
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, plain] of rest.matchAll(PARAMETER)) {
    parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain?.trim() ?? '');
  }
  return { type: type.toLowerCase(), parameters };
}
