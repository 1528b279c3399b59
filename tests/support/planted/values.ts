/** Values that stand for nothing, are legal for their VR, and are found again: text carries a canary of its own. */
import { integer, pick, type Random } from '../seeded.ts';

/** Upper case and digits only, so that it is legal in every text VR; without vowels, so that no word has it. */
export const CANARY = /QZ[BCDFGHJKLMNPRSTVWX]{7}[2-9]/gi;
const LETTERS = Array.from('BCDFGHJKLMNPRSTVWX');

/** Where the planted UIDs grow: nothing below it may leave, unless the policy retains UIDs. */
export const UID_ROOT = '1.2.826.0.1.3680043.9.7777';

export class Planter {
  readonly random: Random;
  readonly #uidBase: string;
  #uids = 0;
  #ages = 0;
  #shorts = 0;

  constructor(random: Random, seed: number) {
    this.random = random;
    this.#uidBase = `${UID_ROOT}.${seed}`;
  }

  canary(): string {
    const letters = Array.from({ length: 7 }, () => pick(this.random, LETTERS)).join('');
    return `QZ${letters}${String(2 + integer(this.random, 8))}`;
  }

  uid(): string {
    this.#uids += 1;
    return `${this.#uidBase}.${String(this.#uids)}`;
  }

  /** Between 1931 and 1949, where nothing else in a file is. */
  date(): string {
    const two = (number: number) => String(number).padStart(2, '0');
    return `${String(1931 + integer(this.random, 19))}${two(1 + integer(this.random, 12))}${two(1 + integer(this.random, 28))}`;
  }

  time(): string {
    const two = (number: number) => String(number).padStart(2, '0');
    const fraction = String(100_000 + integer(this.random, 899_999));
    return `${two(integer(this.random, 24))}${two(integer(this.random, 60))}${two(1 + integer(this.random, 59))}.${fraction}`;
  }

  /** One to three characters, each once: what is kept must not be equal to what is removed. */
  shortValue(): string {
    this.#shorts += 1;
    if (this.#shorts <= LETTERS.length) return LETTERS[this.#shorts - 1] ?? '';
    return this.#shorts
      .toString(36)
      .toUpperCase()
      .padStart(3, 'Z')
      .slice(this.#shorts % 2);
  }

  /** A value for anything but a sequence. */
  value(vr: string): string | Uint8Array {
    switch (vr) {
      case 'AE':
      case 'CS':
      case 'LO':
      case 'SH':
        return this.canary();
      case 'LT':
      case 'ST':
      case 'UC':
      case 'UT':
        return `${this.canary()} words\r\nand ${this.canary()}`;
      case 'PN':
        return `${this.canary()}^${this.canary()}`;
      case 'UR':
        return `http://${this.canary()}.example/`;
      case 'UI':
        return this.uid();
      case 'DA':
        return this.date();
      case 'DT':
        return `${this.date()}${this.time()}+0200`;
      case 'TM':
        return this.time();
      case 'AS':
        // In turn, so that no kept age is equal to a removed one.
        this.#ages += 1;
        return `${String(this.#ages % 1000).padStart(3, '0')}${pick(this.random, Array.from('DWMY'))}`;
      case 'DS':
        return `${String(integer(this.random, 90))}.${String(1000 + integer(this.random, 8999))}`;
      case 'IS':
        return String(10_000 + integer(this.random, 80_000));
      case 'AT':
      case 'UL':
      case 'SL':
      case 'FL':
        return this.bytes(4);
      case 'FD':
      case 'SV':
      case 'UV':
        return this.bytes(8);
      case 'US':
      case 'SS':
        return this.bytes(2);
      default:
        return Buffer.from(this.canary(), 'latin1');
    }
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => 1 + integer(this.random, 60));
  }
}
