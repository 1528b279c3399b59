/** Waiting that can be cut short, by a wake-up or for good. */

export class Pause {
  #isWoken = false;
  #isEnded = false;
  #cut: (() => void) | undefined;

  /** From here on a wake-up counts for the next `wait`. */
  arm(): void {
    this.#isWoken = false;
  }

  wake(): void {
    this.#isWoken = true;
    this.#cut?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#cut?.();
  }

  /** Until woken since `arm`, ended, or `atMostMs`. */
  async wait(atMostMs: number): Promise<void> {
    if (!this.#isWoken) await this.#sleep(atMostMs);
  }

  /** Until ended, or `ms`: a wake-up does not shorten a back-off. */
  async sleep(ms: number): Promise<void> {
    const until = performance.now() + ms;
    for (let left = ms; left > 0 && !this.#isEnded; left = until - performance.now()) await this.#sleep(left);
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#isEnded) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#cut = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#cut = undefined;
  }
}

/** @throws {Error} when it takes longer; what it still does then is nobody's any more */
export async function withDeadline<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new LateError(ms)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // It may fail long after nobody waits for it.
    work.catch(() => undefined);
  }
}

class LateError extends Error {
  // As kafkajs calls it: both mean that nobody answered.
  override readonly name = 'KafkaJSRequestTimeoutError';

  constructor(ms: number) {
    super(`no answer within ${String(ms)} ms`);
  }
}
