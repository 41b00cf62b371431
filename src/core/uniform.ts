import { type Key, threefry } from './threefry.js';

/** A sequence of unbiased integers from one Threefry key, for the few places that draw an unknown number of times. */
export class UniformStream {
  readonly #key: Key;
  #counter = 0;
  #spare = -1;

  constructor(key: Key) {
    this.#key = key;
  }

  /** The next 32-bit word. */
  word(): number {
    if (this.#spare >= 0) {
      const word = this.#spare;
      this.#spare = -1;
      return word;
    }
    const [x0, x1] = threefry(this.#key, this.#counter >>> 0, Math.floor(this.#counter / 2 ** 32));
    this.#counter++;
    this.#spare = x1;
    return x0;
  }

  /** Uniform over 0 .. bound-1, exactly (rejection). bound: integer, 1 <= bound <= 2^53. */
  below(bound: number): number {
    if (bound <= 2 ** 32) {
      const limit = 2 ** 32 - (2 ** 32 % bound);
      for (;;) {
        const x = this.word();
        if (x < limit) return x % bound;
      }
    }
    const limit = 2 ** 53 - (2 ** 53 % bound);
    for (;;) {
      const x = (this.word() & 0x1fffff) * 2 ** 32 + this.word();
      if (x < limit) return x % bound;
    }
  }
}
