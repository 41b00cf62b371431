import { ShapeError } from '../core/errors.js';
import { checkHasRules, parents, type Rules, sentenceLength } from '../core/rules.js';

/** The first fault of a sentence: the s symbols below (level, position), level from the leaves, are not the tuple of a rule. */
export interface Fault {
  level: number; // 1..L; 0: a token out of range
  position: number;
}

export interface Parse {
  symbols: Int32Array[]; // [L+1] by depth, root first; -1 where the symbols below have no parse
  rules: Int32Array[]; // [L] by depth; -1 likewise
  fault?: Fault;
}

const DIRECT_LIMIT = 2 ** 22; // tuples up to which a table by number is kept

/** Bottom-up parsing by table: within a depth every tuple has one parent, so there is never a choice. */
export class Parser {
  readonly #find: ((symbols: ArrayLike<number>, at: number) => number)[]; // [depth]: parent * m + rule, or -1
  readonly #d: number;

  constructor(readonly rules: Rules) {
    checkHasRules(rules);
    this.#d = sentenceLength(rules);
    this.#find = rules.rules.map((_, depth) => inverse(rules, depth));
  }

  /** Parses tokens [s^L] into a tree. @throws ShapeError */
  parse(tokens: ArrayLike<number>): Parse {
    const { s, L } = this.rules;
    if (tokens.length !== this.#d)
      throw new ShapeError(`parse: ${tokens.length} tokens, a sentence has s^L = ${this.#d}; pass one sentence`);
    const symbols: Int32Array[] = [];
    const rules: Int32Array[] = [];
    let fault: Fault | undefined;
    symbols[L] = new Int32Array(this.#d);
    this.#leaves(tokens, 0, symbols[L]);
    for (let l = L; ; l--) {
      const position = fault ? -1 : symbols[l].indexOf(-1);
      if (position >= 0) fault = { level: L - l, position };
      if (l === 0) return { symbols, rules, fault };
      symbols[l - 1] = new Int32Array(s ** (l - 1));
      rules[l - 1] = new Int32Array(s ** (l - 1));
      this.#climb(l - 1, symbols[l], s ** (l - 1), symbols[l - 1], rules[l - 1]);
    }
  }

  /** The sentence whose tokens start at `at`; -1 for a token out of range. */
  #leaves(tokens: ArrayLike<number>, at: number, to: Int32Array): void {
    const { v } = this.rules;
    for (let i = 0; i < this.#d; i++) to[i] = tokens[at + i] >= 0 && tokens[at + i] < v ? tokens[at + i] : -1;
  }

  /** The `count` symbols of depth l, and the rules used, from those below; -1 for none. `to` may be `below`. */
  #climb(l: number, below: Int32Array, count: number, to: Int32Array, rules?: Int32Array): void {
    const { m, s } = this.rules;
    const find = this.#find[l];
    for (let p = 0; p < count; p++) {
      const found = find(below, p * s);
      to[p] = found < 0 ? -1 : Math.floor(found / m);
      if (rules) rules[p] = found < 0 ? -1 : found % m;
    }
  }

  /**
   * Fraction of sentences that are consistent with the rules up to each level: result[ell], ell = 0..L, counts those in which
   * every level-ell block can be derived from a symbol. tokens [count, s^L].
   */
  consistency(tokens: ArrayLike<number>, count: number): number[] {
    const { L } = this.rules;
    const passed = new Array<number>(L + 1).fill(0);
    for (let i = 0; i < count; i++) {
      const { fault } = this.parse(slice(tokens, i * this.#d, this.#d));
      const top = fault ? fault.level - 1 : L;
      for (let ell = 0; ell <= top; ell++) passed[ell]++;
    }
    return passed.map((x) => x / count);
  }

  /**
   * The same for the last token alone, as a predictor generates it: result[ell] counts sentences whose last s^ell tokens can be
   * derived from one symbol.
   */
  lastTokenConsistency(tokens: ArrayLike<number>, count: number): number[] {
    const { s, L } = this.rules;
    const passed = new Array<number>(L + 1).fill(0);
    const symbols = new Int32Array(this.#d); // reused for each depth
    for (let i = 0; i < count; i++) {
      this.#leaves(tokens, i * this.#d, symbols);
      let width = this.#d;
      for (let l = L; symbols[width - 1] >= 0; l--) {
        passed[L - l]++;
        if (l === 0) break;
        width /= s;
        this.#climb(l - 1, symbols, width, symbols);
      }
    }
    return passed.map((x) => x / count);
  }
}

function slice(tokens: ArrayLike<number>, from: number, length: number): ArrayLike<number> {
  return ArrayBuffer.isView(tokens)
    ? (tokens as unknown as Uint32Array).subarray(from, from + length)
    : Array.prototype.slice.call(tokens, from, from + length);
}

/** Looks up the s symbols starting at `at`; -1 if one of them is -1 or the tuple is not that of a rule. */
function inverse(rules: Rules, depth: number): (symbols: ArrayLike<number>, at: number) => number {
  const { v, m, s } = rules;
  const total = v ** s;
  /** The tuple as a number below `total`; negative if one of its symbols is. */
  const code = (symbols: ArrayLike<number>, at: number): number => {
    let x = 0;
    for (let i = 0; i < s; i++) {
      if (symbols[at + i] < 0) return -1;
      x = x * v + symbols[at + i];
    }
    return x;
  };
  const each = (put: (tuple: readonly number[], value: number) => void) => {
    for (let a = 0; a < parents(rules, depth); a++)
      for (let k = 0; k < m; k++) put(rules.rules[depth][a][k], a * m + k);
  };
  if (total <= DIRECT_LIMIT) {
    const table = new Int32Array(total).fill(-1);
    each((tuple, value) => {
      table[code(tuple, 0)] = value;
    });
    return (symbols, at) => {
      const name = code(symbols, at);
      return name < 0 ? -1 : table[name];
    };
  }
  // Above 2^53 numbers are not exact.
  const key = (symbols: ArrayLike<number>, at: number): number | string =>
    total < 2 ** 53 ? code(symbols, at) : Array.prototype.slice.call(symbols, at, at + s).join();
  const table = new Map<number | string, number>();
  each((tuple, value) => table.set(key(tuple, 0), value));
  return (symbols, at) => table.get(key(symbols, at)) ?? -1;
}
