/**
 * A learner that uses only correlations with the last token. For every s-tuple of neighbours it takes the distribution of the last token
 * given that tuple minus that of the last token alone, and k-means sorts tuples into as many classes as there are symbols that the last
 * token can distinguish there. Tuples are replaced by their classes, and the next level begins. The learner needs no network: the P at
 * which it finds the hidden symbols is what correlations alone allow.
 */
import { InputError } from '../core/errors.js';
import { checkHasRules, type Rules } from '../core/rules.js';
import type { Source } from '../core/sampleSource.js';
import { streamKey } from '../core/threefry.js';
import { canPermute, derivationSource } from '../grammar/dataset.js';
import { countDerivations } from '../grammar/derivations.js';
import { createSampler, type Sampler } from '../grammar/sampler.js';
import { adjustedRandIndex, type Clustered, kMeans, type WeightedRows } from '../theory/cluster.js';
import { covarianceWithLast } from '../theory/covariance.js';
import { crossingOf } from '../theory/crossing.js';
import { marginals } from '../theory/marginals.js';
import { type Estimate, exponential, linearStatistic } from './statistics.js';

/**
 * `pooled`: tuples of the symbols found one level below, at any position (available to a CNN); `raw`: token tuples, compared with their
 * level-1 parents (the starting point of a transformer).
 */
export type ClusterForm = 'pooled' | 'raw';

export interface ClusterOptions {
  /** ell, levels of the common ancestor with the last token, from 2 to L; default 2 and 3. */
  levels?: readonly number[];
  /** P, increasing; by default powers of sqrt 2 from 64 up to 2^17, or up to all sentences if there are fewer. */
  sentences?: readonly number[];
  /** Independent draws of the sentences; the index is averaged over them. */
  draws?: number;
  seed?: number;
}

export interface ClusterCurve {
  level: number; // ell
  form: ClusterForm;
  classes: number; // symbols that the last token can distinguish there
  /** Adjusted Rand index of the exact classes with the true parents: below 1 if the last token cannot distinguish two of them. */
  ceiling: number;
  points: { sentences: number; index: number }[]; // index: adjusted Rand index over its ceiling
  half: { value: number; low: number; high: number; bound: 'none' | 'lower' | 'upper' | 'unknown' }; // P at which it is 1/2
}

const FORMS: readonly ClusterForm[] = ['pooled', 'raw'];
const ENUMERATED = 2 ** 15; // for languages up to this size, all sentences are used for evaluation
const EVALUATED = 2 ** 14; // others on this many

/** The index by number of sentences, per level and form. @throws InputError naming field and bound */
export async function clusterCurves(rules: Rules, options: ClusterOptions = {}): Promise<ClusterCurve[]> {
  checkHasRules(rules);
  const { levels = [2, 3].filter((ell) => ell <= rules.L), draws = 2, seed = 0 } = options;
  for (const ell of levels)
    if (!Number.isInteger(ell) || ell < 2 || ell > rules.L)
      throw new InputError(`levels: got ${ell}; pass levels of the common ancestor from 2 to L = ${rules.L}`);
  if (!levels.length)
    throw new InputError(`levels: none; the grammar has L = ${rules.L}, clustering needs L of at least 2`);
  const total = Number(countDerivations(rules));
  const distinct = canPermute(rules);
  const sizes = options.sentences ?? usualSizes(distinct ? total : Infinity);
  for (const P of sizes)
    if (!Number.isInteger(P) || P < 2 || P > (distinct ? Math.min(total, 2 ** 22) : 2 ** 22))
      throw new InputError(
        `sentences: got ${P}; pass whole numbers from 2 to ${distinct ? Math.min(total, 2 ** 22) : 2 ** 22}`,
      );
  const sampler = await createSampler(rules);
  const evaluation = new EvaluationSentences(rules, sampler);
  const curves = levels.flatMap((level) => FORMS.map((form) => ({ level, form, ...evaluation.exact(level, form) })));
  const sums = curves.map(() => new Float64Array(sizes.length));
  for (let draw = 0; draw < draws; draw++) {
    const largest = Math.max(...sizes);
    const source = sourceOf(rules, seed + draw);
    const tree = sampler.trees(source, 0, largest);
    for (const [i, P] of sizes.entries()) {
      const learner = new Learner(rules, tree.symbols, P);
      for (const [c, { level, form, classes, ceiling }] of curves.entries()) {
        const symbols = learner.symbols(level, form, classes, evaluation.trees, evaluation.count);
        sums[c][i] += evaluation.index(level, form, symbols) / ceiling / draws;
      }
    }
  }
  return curves.map(({ level, form, classes, ceiling }, c) => {
    const points = sizes.map((sentences, i) => ({ sentences, index: sums[c][i] }));
    const crossing = crossingOf(
      points.map(({ sentences, index }) => ({ x: Math.log(sentences), y: 1 - index })),
      0.5,
    );
    const { value, low, high, bound } = crossing;
    const half = { value: Math.exp(value), low: Math.exp(low), high: Math.exp(high), bound };
    return { level, form, classes: classes[classes.length - 1], ceiling, points, half };
  });
}

/** P at index 1/2 over curves of one level and form; for several grammars, their geometric mean with its interval. */
export function halvesOf(curves: readonly ClusterCurve[]): Estimate {
  if (curves.length === 1) return { ...curves[0].half, units: 1 };
  const units = curves.map(({ half }) => ({ value: Math.log(half.value), bound: half.bound }));
  return exponential(linearStatistic([units], [1]));
}

function usualSizes(total: number): number[] {
  const sizes: number[] = [];
  for (let P = 64; P <= 2 ** 17 && P < total; P *= Math.SQRT2) sizes.push(Math.round(P));
  if (total <= 2 ** 17) sizes.push(total);
  return sizes;
}

function sourceOf(rules: Rules, seed: number): Source {
  if (canPermute(rules)) return derivationSource(rules, seed);
  return { mode: 'stream', key: streamKey(seed, 'data', 2), size: 0n, first: 0, length: 0 };
}

/** Nodes at level h, counted from the left among those of that level, whose common ancestor with the last token is at ell. */
function places({ s, L }: Rules, h: number, ell: number): number[] {
  const nodes = s ** (L - h);
  const under = s ** (ell - h); // nodes at level h under the ancestor
  const own = s ** (ell - 1 - h); // of which these are under its last child
  return Array.from({ length: under - own }, (_, i) => nodes - under + i);
}

/** Positions of the symbols of level h in a row of a tree. */
const offsetOf = ({ s, L }: Rules, h: number): number => (s ** (L - h) - 1) / (s - 1);

/** The level of the parents of a form's tuples. */
const parentLevel = (level: number, form: ClusterForm): number => (form === 'raw' ? 1 : level - 1);

/** Sentences on which found classes are compared with the true symbols. */
class EvaluationSentences {
  readonly trees: Uint32Array; // [count, symbols of a tree]
  readonly count: number;
  readonly #stride: number;

  constructor(
    readonly rules: Rules,
    sampler: Sampler,
  ) {
    const total = Number(countDerivations(rules));
    const all = canPermute(rules) && total <= ENUMERATED;
    this.count = all ? total : EVALUATED;
    const source: Source = all
      ? derivationSource(rules, 0)
      : { mode: 'stream', key: streamKey(0, 'measure', 0xc2), size: 0n, first: 0, length: 0 };
    this.trees = sampler.trees(source, 0, this.count).symbols;
    this.#stride = sampler.symbolsPerTree;
  }

  /** classes: numbers of classes of the levels from 1 up to this form's; ceiling: index of the exact classes. */
  exact(level: number, form: ClusterForm): { classes: number[]; ceiling: number } {
    const classes: number[] = [];
    const from = form === 'raw' ? level : 2;
    let labels: Int32Array = new Int32Array(0);
    for (let ell = from; ell <= level; ell++) {
      const h = form === 'raw' ? 1 : ell - 1;
      labels = distinguishable(this.rules, h, ell);
      classes.push(Math.max(...labels) + 1);
    }
    return { classes, ceiling: this.#index(level, form, (_, symbol) => labels[symbol]) };
  }

  /** found: symbol at each place of each evaluated sentence, [places * count]. */
  index(level: number, form: ClusterForm, found: Int32Array): number {
    return this.#index(level, form, (i) => found[i]);
  }

  /** Over the distinct tuples that occur at the places of this form. Each counts once: its copies share its weight. */
  #index(level: number, form: ClusterForm, symbolOf: (item: number, truth: number) => number): number {
    const { rules, count, trees } = this;
    const { s } = rules;
    const h = parentLevel(level, form);
    const items = new Map<string, { truth: number; counts: Map<number, number>; total: number }>();
    places(rules, h, level).forEach((place, q) => {
      const parent = offsetOf(rules, h) + place;
      const first = offsetOf(rules, h - 1) + place * s;
      for (let i = 0; i < count; i++) {
        const at = i * this.#stride;
        const tuple = trees.subarray(at + first, at + first + s).join();
        const truth = trees[at + parent];
        const item = items.get(tuple) ?? { truth, counts: new Map<number, number>(), total: 0 };
        items.set(tuple, item);
        const symbol = symbolOf(q * count + i, truth);
        item.counts.set(symbol, (item.counts.get(symbol) ?? 0) + 1);
        item.total++;
      }
    });
    return adjustedRandIndex(
      [...items.values()].map(
        ({ truth, counts, total }): Clustered => ({
          truth,
          found: new Map([...counts].map(([symbol, n]) => [symbol, n / total])),
        }),
      ),
    );
  }
}

const SAME = 1e-9; // of two exact probabilities

/** [v]: class of each level-h symbol, equal if the exact distribution of the last token is the same at all places; -1: never there. */
function distinguishable(rules: Rules, h: number, ell: number): Int32Array {
  const { v, L } = rules;
  const at = places(rules, h, ell);
  const prior = marginals(rules)[L - h];
  const rows = Array.from({ length: v }, (_, a) =>
    at.map((place) => {
      const p = prior[place][a];
      if (!p) return undefined;
      return covarianceWithLast(rules, h, place)
        .slice(a * v, (a + 1) * v)
        .map((c) => c / p);
    }),
  );
  const classes = new Int32Array(v).fill(-1);
  const found: number[] = [];
  for (let a = 0; a < v; a++) {
    if (rows[a].every((row) => !row)) continue;
    const same = found.findIndex((b) =>
      rows[a].every(
        (row, q) => !row === !rows[b][q] && (!row || row.every((x, t) => Math.abs(x - rows[b][q]![t]) < SAME)),
      ),
    );
    if (same < 0) found.push(a);
    classes[a] = same < 0 ? found.length - 1 : same;
  }
  return classes;
}

/** What is learnt from P sentences: the classes of tuples, level by level. */
class Learner {
  readonly #tables = new Map<string, Map<number, number>>(); // by form and level: tuple to symbol
  readonly #columns = new Map<string, Int32Array>(); // found symbols of one node, in the sentences learnt from
  readonly #tuples = new Map<number | string, number>(); // numbers of tuples, of all levels
  readonly #stride: number;
  readonly #last: Float64Array; // [v], p(last token)
  #symbols: number; // numbers given to found symbols, after the tokens

  constructor(
    readonly rules: Rules,
    readonly trees: Uint32Array, // only their tokens are used
    readonly sentences: number,
  ) {
    const { s, L, v } = rules;
    this.#stride = (s ** (L + 1) - 1) / (s - 1);
    this.#symbols = v;
    this.#last = new Float64Array(v);
    for (let i = 0; i < sentences; i++) this.#last[this.#lastToken(i)] += 1 / sentences;
  }

  /** The symbols that this learner finds in other trees: [places * count]. A tuple that it has never seen becomes a symbol of its own. */
  symbols(level: number, form: ClusterForm, classes: readonly number[], trees: Uint32Array, count: number): Int32Array {
    const h = parentLevel(level, form);
    const at = places(this.rules, h, level);
    const out = new Int32Array(at.length * count);
    at.forEach((place, q) => {
      out.set(this.#found(form, level, h, place, classes, trees, count), q * count);
    });
    return out;
  }

  #lastToken(i: number): number {
    return this.trees[(i + 1) * this.#stride - 1];
  }

  /** The found symbol of one node at level h, in every tree. */
  #found(
    form: ClusterForm,
    level: number,
    h: number,
    place: number,
    classes: readonly number[],
    trees: Uint32Array,
    count: number,
  ): Int32Array {
    const key = trees === this.trees ? `${form} ${level} ${h} ${place}` : undefined;
    const known = key === undefined ? undefined : this.#columns.get(key);
    if (known) return known;
    const out = new Int32Array(count);
    if (h === 0) {
      const offset = offsetOf(this.rules, 0) + place;
      for (let i = 0; i < count; i++) out[i] = trees[i * this.#stride + offset];
    } else {
      const table = this.#table(form, form === 'raw' ? level : h + 1, h, classes);
      const tuples = this.#tuplesAt(form, level, h, place, classes, trees, count);
      for (let i = 0; i < count; i++) {
        let symbol = table.get(tuples[i]);
        if (symbol === undefined) {
          symbol = this.#symbols++;
          table.set(tuples[i], symbol);
        }
        out[i] = symbol;
      }
    }
    if (key !== undefined) this.#columns.set(key, out);
    return out;
  }

  /** The number of the tuple of found symbols below one node at level h, in every tree. */
  #tuplesAt(
    form: ClusterForm,
    level: number,
    h: number,
    place: number,
    classes: readonly number[],
    trees: Uint32Array,
    count: number,
  ): Int32Array {
    const { s } = this.rules;
    const below = Array.from({ length: s }, (_, j) =>
      this.#found(form, level, h - 1, place * s + j, classes, trees, count),
    );
    const out = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const name = s === 2 ? below[0][i] * 2 ** 26 + below[1][i] : below.map((column) => column[i]).join();
      const number = this.#tuples.get(name) ?? this.#tuples.size;
      this.#tuples.set(name, number);
      out[i] = number;
    }
    return out;
  }

  /** Tuples to symbols at level h, from the places whose common ancestor with the last token is at level ell. */
  #table(form: ClusterForm, ell: number, h: number, classes: readonly number[]): Map<number, number> {
    const key = `${form} ${ell} ${h}`;
    const known = this.#tables.get(key);
    if (known) return known;
    const { v } = this.rules;
    const at = places(this.rules, h, ell);
    const index = new Map<number, number>();
    const counts: Float64Array[] = []; // per tuple: [places, v]
    at.forEach((place, q) => {
      const tuples = this.#tuplesAt(form, ell, h, place, classes, this.trees, this.sentences);
      for (let i = 0; i < this.sentences; i++) {
        let row = index.get(tuples[i]);
        if (row === undefined) {
          row = index.size;
          index.set(tuples[i], row);
          counts.push(new Float64Array(at.length * v));
        }
        counts[row][q * v + this.#lastToken(i)]++;
      }
    });
    const rows: WeightedRows = {
      count: index.size,
      parts: at.length,
      dimensions: v,
      values: new Float64Array(index.size * at.length * v),
      weights: new Float64Array(index.size * at.length),
    };
    counts.forEach((table, i) => {
      for (let q = 0; q < at.length; q++) {
        const row = table.subarray(q * v, (q + 1) * v);
        const seen = row.reduce((a, b) => a + b, 0);
        rows.weights[i * at.length + q] = seen;
        if (seen) for (let t = 0; t < v; t++) rows.values[(i * at.length + q) * v + t] = row[t] / seen - this.#last[t];
      }
    });
    const k = classes[form === 'raw' ? 0 : h - 1];
    const found = kMeans(rows, k);
    const first = this.#symbols;
    this.#symbols += Math.max(k, index.size);
    const table = new Map([...index].map(([tuple, row]) => [tuple, first + found[row]]));
    this.#tables.set(key, table);
    return table;
  }
}
