/** Parameters of one or several files, asked for by name and kind: what is there and is not what it must be has file and line. */
import { HubError } from '../core/errors.ts';
import type { JcampFile, JcampParameter, JcampValue } from './jcamp.ts';

export class Parameters {
  readonly #files: readonly JcampFile[];

  /** @param files - asked in this order */
  constructor(files: readonly JcampFile[]) {
    this.#files = files;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** The text, or the words and numbers of the parameter as one; undefined when it is not there or empty. */
  text(name: string): string | undefined {
    const found = this.#find(name);
    if (found === undefined) return undefined;
    const text = found.parameter.values.flat(2).map(String).join(' ').trim();
    return text === '' ? undefined : text;
  }

  /** One entry a text. */
  texts(name: string): readonly string[] {
    return (this.#find(name)?.parameter.values ?? []).map((value) =>
      typeof value === 'object' ? value.map(String).join(' ') : String(value),
    );
  }

  /**
   * One number of an array, the first unless said otherwise; undefined for what is not there, or is infinite or no number.
   *
   * @throws {HubError} `paravision.parameters-unreadable` when there is something else
   */
  number(name: string, index = 0): number | undefined {
    const number = this.numbers(name)?.[index];
    return number !== undefined && Number.isFinite(number) ? number : undefined;
  }

  /**
   * All numbers of an array, in the order they are written in.
   *
   * @throws {HubError} `paravision.parameters-unreadable` when not all are numbers, or are not as many as the file says
   */
  numbers(name: string): readonly number[] | undefined {
    const found = this.#find(name);
    if (found === undefined) return undefined;
    const { values, size } = found.parameter;
    const numbers = values.map((value) => {
      if (typeof value !== 'number') throw wrong(found, `${name} is not a list of numbers`);
      return value;
    });
    const expected = size?.reduce((product, length) => product * length, 1);
    if (expected !== undefined && expected !== numbers.length)
      throw wrong(found, `${name} says ${String(expected)} values and has ${String(numbers.length)}`);
    return numbers;
  }

  /** Structs, each as its fields. @throws {HubError} `paravision.parameters-unreadable` when there is something else */
  structs(name: string): readonly (readonly JcampValue[])[] | undefined {
    const found = this.#find(name);
    if (found === undefined) return undefined;
    return found.parameter.values.map((value) => {
      if (typeof value !== 'object') throw wrong(found, `${name} is not a list of structs`);
      return value;
    });
  }

  /** What is wrong with a parameter that is there, by file and line. */
  wrong(name: string, reason: string): HubError {
    const found = this.#find(name);
    if (found !== undefined) return wrong(found, reason);
    const at = this.#files.map((file) => file.name).join(', ');
    return new HubError('paravision.parameters-unreadable', { at, reason });
  }

  #find(name: string): Found | undefined {
    for (const file of this.#files) {
      const parameter = file.parameters.get(name);
      if (parameter !== undefined && parameter.values.length > 0) return { file, parameter };
    }
    return undefined;
  }
}

interface Found {
  readonly file: JcampFile;
  readonly parameter: JcampParameter;
}

function wrong({ file, parameter }: Found, reason: string): HubError {
  return new HubError('paravision.parameters-unreadable', { at: `${file.name}:${String(parameter.line)}`, reason });
}
