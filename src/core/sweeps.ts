/** Sentences that a network of masked tokens writes in several sweeps. */
import { InputError } from './errors.js';
import { drawFrom } from './softmax.js';
import { type Key, threefry } from './threefry.js';

export interface SweepOptions {
  count: number; // sentences
  length: number; // T, tokens per sentence
  v: number; // vocabulary; v itself is the masked token
  sweeps: number; // 1 to T: how often the network is run
  temperature?: number; // of the softmax, default 1; 0 takes the most probable token
  key: Key;
  first?: number; // number of the first sentence among all of the key, default 0
}

/**
 * Fills in all masked tokens of some sentences, a part of them after each evaluation of the network, in an order drawn for each sentence.
 * The tokens of one sweep are drawn independently of each other. With as many sweeps as masked tokens each is drawn given all before it,
 * which is exact for a network that knows every conditional distribution. Sentence i of a key does not depend on how many sentences are
 * written with it.
 */
export class MaskedSweeps {
  /** u32 [count, T]: the next input of the network. */
  readonly tokens: Uint32Array<ArrayBuffer>;
  readonly #turns: Int32Array; // [count, T]: sweep in which a token is filled in; -1: given
  #sweep = 0;

  /** tokens: [count, T] to begin with, v where masked; default: all masked. @throws InputError */
  constructor(
    readonly options: SweepOptions,
    tokens?: ArrayLike<number>,
  ) {
    const { count, length, v, sweeps, key, first = 0 } = options;
    if (!(Number.isInteger(sweeps) && sweeps >= 1 && sweeps <= length))
      throw new InputError(`sweeps: got ${sweeps}; pass 1 to ${length}, the tokens of a sentence`);
    this.tokens = tokens ? Uint32Array.from(tokens) : new Uint32Array(count * length).fill(v);
    this.#turns = new Int32Array(count * length).fill(-1);
    for (let i = 0; i < count; i++) {
      const own = threefry(key, first + i, 0);
      const hidden = Array.from({ length }, (_, t) => t).filter((t) => this.tokens[i * length + t] === v);
      const words = new Map(hidden.map((t) => [t, threefry(own, t, 1)[0]]));
      hidden.sort((a, b) => words.get(a)! - words.get(b)! || a - b);
      for (const [rank, t] of hidden.entries())
        this.#turns[i * length + t] = Math.floor((rank * sweeps) / hidden.length);
    }
  }

  get isDone(): boolean {
    return this.#sweep >= this.options.sweeps;
  }

  /** logits [count, T, v] of `tokens`: draws the tokens of this sweep. @throws InputError for logits that are not numbers */
  fill(logits: Float32Array): void {
    const { count, length, v, temperature = 1, key, first = 0 } = this.options;
    for (let i = 0; i < count; i++) {
      const own = threefry(key, first + i, 0);
      for (let t = 0; t < length; t++) {
        const at = i * length + t;
        if (this.#turns[at] !== this.#sweep) continue;
        const row = logits.subarray(at * v, (at + 1) * v);
        if (!row.every(Number.isFinite))
          throw new InputError('weights: the outputs of the network are not finite; pass a run that has not diverged');
        this.tokens[at] = drawFrom(row, threefry(own, t, 2)[0] / 2 ** 32, temperature);
      }
    }
    this.#sweep++;
  }
}
