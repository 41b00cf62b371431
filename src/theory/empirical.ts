/** Statistics of a stream of sentences in constant memory, with error bars. */
import { checkInteger } from '../core/check.js';
import { InputError } from '../core/errors.js';

export interface Measured {
  value: number;
  error: number; // standard error
}

export interface CovarianceOptions {
  v: number; // symbols of the last token
  left?: number; // symbols on the left: v for tokens and hidden symbols, v^s for tuples; default v
  width: number; // left symbols per sentence
  /** Level of the common ancestor with the last token, for each of the `width` positions. */
  levels: readonly number[];
  blocks?: number; // parts of the stream, from which error bars are computed; default 8
}

export interface LevelCovariance {
  ell: number; // level of the common ancestor
  /** Mean square over symbol pairs and positions of the measured covariance: signal plus noise floor. */
  meanSquare: Measured;
  /** Unbiased estimate of the true mean square, from products of covariances of different blocks. */
  signal: Measured;
}

const COUNT_LIMIT = 2 ** 27;

/** Covariances of the last token with symbols to its left, computed from a stream. */
export class CovarianceStream {
  readonly v: number;
  readonly left: number;
  readonly width: number;
  readonly blocks: number;
  readonly #levels: readonly number[];
  readonly #pairs: Float64Array; // [blocks, width, left, v]
  readonly #lefts: Float64Array; // [blocks, width, left]
  readonly #lasts: Float64Array; // [blocks, v]
  readonly #totals: Float64Array; // [blocks]
  #next = 0;

  constructor(options: CovarianceOptions) {
    this.v = checkInteger('v', options.v, 2, 65536);
    this.left = checkInteger('left', options.left ?? options.v, 2, 2 ** 32, 'symbols on the left');
    this.width = checkInteger('width', options.width, 1, 2 ** 20, 'left symbols per sentence');
    this.blocks = checkInteger('blocks', options.blocks ?? 8, 2, 1024);
    this.#levels = options.levels;
    const cells = this.blocks * this.width * this.left * this.v;
    if (cells > COUNT_LIMIT)
      throw new InputError(
        `blocks * width * left * v: ${cells} counters are over the limit of ${COUNT_LIMIT}; take fewer positions`,
      );
    this.#pairs = new Float64Array(cells);
    this.#lefts = new Float64Array(this.blocks * this.width * this.left);
    this.#lasts = new Float64Array(this.blocks * this.v);
    this.#totals = new Float64Array(this.blocks);
  }

  /** Sentences seen. */
  get count(): number {
    return this.#next;
  }

  /** left [count, stride]: the first `width` symbols of each row are used; last: the last token, at [i * lastStride + lastAt]. */
  add(
    left: ArrayLike<number>,
    stride: number,
    last: ArrayLike<number>,
    lastStride: number,
    lastAt: number,
    count: number,
  ): void {
    const { v, left: symbols, width, blocks } = this;
    for (let i = 0; i < count; i++) {
      const block = this.#next++ % blocks;
      const b = last[i * lastStride + lastAt];
      this.#totals[block]++;
      this.#lasts[block * v + b]++;
      let cell = block * width * symbols;
      for (let p = 0; p < width; p++, cell += symbols) {
        const a = left[i * stride + p];
        this.#lefts[cell + a]++;
        this.#pairs[(cell + a) * v + b]++;
      }
    }
  }

  /** Sentences [count, d] of tokens: the covariances of the first d-1 tokens with the last. Needs width = d-1. */
  addSentences(tokens: ArrayLike<number>, d: number, count: number): void {
    this.add(tokens, d, tokens, d, d - 1, count);
  }

  /** One entry per level of the common ancestor, ascending. Error bars: jackknife over blocks. */
  result(): LevelCovariance[] {
    const { blocks } = this;
    const full = this.#moments(-1);
    const parts = Array.from({ length: blocks }, (_, k) => this.#moments(k));
    return [...full.keys()]
      .sort((a, b) => a - b)
      .map((ell) => {
        const pick = (field: 'meanSquare' | 'signal'): Measured => ({
          value: full.get(ell)![field],
          error: jackknife(parts.map((part) => part.get(ell)![field])),
        });
        return { ell, meanSquare: pick('meanSquare'), signal: pick('signal') };
      });
  }

  /** Mean squares per level without block `skip` (-1: all blocks). */
  #moments(skip: number): Map<number, { meanSquare: number; signal: number }> {
    const { v, left, width, blocks } = this;
    const used = Array.from({ length: blocks }, (_, k) => k).filter((k) => k !== skip && this.#totals[k] > 1);
    const total = used.reduce((sum, k) => sum + this.#totals[k], 0);
    const sums = new Map<number, { square: number; cross: number; cells: number }>();
    for (let p = 0; p < width; p++) {
      let square = 0;
      let cross = 0;
      for (let a = 0; a < left; a++) {
        const la = used.reduce((sum, k) => sum + this.#lefts[(k * width + p) * left + a], 0);
        for (let b = 0; b < v; b++) {
          let sum = 0;
          let squares = 0;
          let n = 0;
          let lb = 0;
          for (const k of used) {
            const joint = this.#pairs[((k * width + p) * left + a) * v + b];
            const t = this.#totals[k];
            const c = (joint - (this.#lefts[(k * width + p) * left + a] * this.#lasts[k * v + b]) / t) / (t - 1);
            sum += c;
            squares += c * c;
            n += joint;
            lb += this.#lasts[k * v + b];
          }
          const c = (n - (la * lb) / total) / (total - 1);
          square += c * c;
          cross += (sum * sum - squares) / (used.length * (used.length - 1));
        }
      }
      const level = sums.get(this.#levels[p]) ?? { square: 0, cross: 0, cells: 0 };
      level.square += square;
      level.cross += cross;
      level.cells += left * v;
      sums.set(this.#levels[p], level);
    }
    return new Map([...sums].map(([ell, x]) => [ell, { meanSquare: x.square / x.cells, signal: x.cross / x.cells }]));
  }
}

/** Cross-entropy of the last token predicted from counts given the `context` tokens before it, for several contexts at once. */
export class NgramStream {
  readonly #counts: Float64Array[]; // per context: [v^context, v]
  readonly #totals: Float64Array[]; // [v^context]

  /** contexts: numbers of tokens before the last, e.g. s^ell - 1. smoothing: added to each count. */
  constructor(
    readonly v: number,
    readonly contexts: readonly number[],
    readonly smoothing = 0.5,
  ) {
    for (const k of contexts)
      if (!(v ** (k + 1) <= COUNT_LIMIT))
        throw new InputError(`contexts: v^(${k}+1) = ${v ** (k + 1)} counters are over the limit of ${COUNT_LIMIT}`);
    this.#counts = contexts.map((k) => new Float64Array(v ** (k + 1)));
    this.#totals = contexts.map((k) => new Float64Array(v ** k));
  }

  /** Counts sentences [count, d]. */
  observe(tokens: ArrayLike<number>, d: number, count: number): void {
    for (let i = 0; i < count; i++)
      this.contexts.forEach((k, c) => {
        const at = this.#contextAt(tokens, i * d + d - 1, k);
        this.#counts[c][at * this.v + tokens[i * d + d - 1]]++;
        this.#totals[c][at]++;
      });
  }

  /** Cross-entropy in nats on other sentences [count, d], one estimate per context; they are not added to the counts. */
  evaluate(tokens: ArrayLike<number>, d: number, count: number): Measured[] {
    return this.contexts.map((k, c) => {
      let mean = 0;
      let squares = 0;
      for (let i = 0; i < count; i++) {
        const at = this.#contextAt(tokens, i * d + d - 1, k);
        const seen = this.#counts[c][at * this.v + tokens[i * d + d - 1]];
        const loss = -Math.log((seen + this.smoothing) / (this.#totals[c][at] + this.smoothing * this.v));
        const delta = loss - mean;
        mean += delta / (i + 1);
        squares += delta * (loss - mean);
      }
      return { value: mean, error: count > 1 ? Math.sqrt(squares / (count - 1) / count) : Number.NaN };
    });
  }

  #contextAt(tokens: ArrayLike<number>, last: number, k: number): number {
    let at = 0;
    for (let t = last - k; t < last; t++) at = at * this.v + tokens[t];
    return at;
  }
}

/** Standard error of a statistic from its leave-one-out values. */
function jackknife(values: number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(((values.length - 1) / values.length) * values.reduce((a, b) => a + (b - mean) ** 2, 0));
}
