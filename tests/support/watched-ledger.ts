/** A ledger that says what it was asked and what it answered. */
import type { Ledger } from '../../core/ledger.ts';

/** @param asked - called with `topic.method` and the answer, in the order of the answers */
export function watchedLedger(ledger: Ledger, asked: (what: string, answer: unknown) => void): Ledger {
  return new Proxy(ledger, {
    get(target, topic: string) {
      const part: unknown = Reflect.get(target, topic);
      if (typeof part !== 'object' || part === null) return part;
      return new Proxy(part, {
        get(of, name: string) {
          const method: unknown = Reflect.get(of, name);
          if (typeof method !== 'function') return method;
          return async (...parameters: readonly unknown[]): Promise<unknown> => {
            const answer: unknown = await Reflect.apply(method, of, parameters);
            asked(`${topic}.${name}`, answer);
            return answer;
          };
        },
      });
    },
  });
}
