/** What the tests use of opentype.js: its own types would bring those of a browser into the whole project. */
declare module 'opentype.js' {
  export type PathCommand =
    | { readonly type: 'M' | 'L'; readonly x: number; readonly y: number }
    | { readonly type: 'Q'; readonly x1: number; readonly y1: number; readonly x: number; readonly y: number }
    | { readonly type: 'C' | 'Z' };
  export interface Font {
    readonly ascender: number;
    readonly descender: number;
    readonly unitsPerEm: number;
    getAdvanceWidth(text: string, fontSize: number): number;
    getPath(text: string, x: number, y: number, fontSize: number): { readonly commands: readonly PathCommand[] };
  }
  export function loadSync(path: string): Font;
}
