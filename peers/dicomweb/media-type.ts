/** A media type with its parameters (RFC 9110 Section 8.3.1). */

export interface MediaType {
  /** Lower case; empty where none is named. */
  readonly type: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const PARAMETER = /;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g;

export function parseMediaType(value: string): MediaType {
  // Cut, not matched: an expression with blanks on both sides of what it looks for takes the square of their number.
  const end = value.indexOf(';');
  const type = end === -1 ? value : value.slice(0, end);
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, plain] of value.slice(type.length).matchAll(PARAMETER)) {
    parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain?.trim() ?? '');
  }
  return { type: type.trim().toLowerCase(), parameters };
}
