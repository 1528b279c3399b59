/** Markup in which every value is escaped, once, wherever it came from. */

/** What may stand in a page as it is. */
export class Markup {
  readonly #source: string;

  private constructor(source: string) {
    this.#source = source;
  }

  static of(parts: TemplateStringsArray, values: readonly Value[]): Markup {
    return new Markup(parts.reduce((whole, part, i) => `${whole}${sourceOf(values[i - 1])}${part}`));
  }

  toString(): string {
    return this.#source;
  }
}

type Value = string | number | Markup | readonly Markup[];

/** A template: values are escaped unless they are markup. */
export function markup(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return Markup.of(parts, values);
}

function sourceOf(value: Value | undefined): string {
  if (value === undefined) return '';
  if (value instanceof Markup) return value.toString();
  return typeof value === 'object' ? value.map(String).join('') : escaped(String(value));
}

/** XML has no control characters, not even escaped (XML 1.0, section 2.2). */
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

function escaped(value: string): string {
  return value
    .replaceAll(FORBIDDEN, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
