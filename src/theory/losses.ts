import { checkInteger } from '../core/check.js';
import { checkHasRules, parents, type Rules } from '../core/rules.js';
import { streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { marginals, ruleWeights } from './marginals.js';

/** The value of context, for one grammar. Index ell = 0..L: the predictor sees the last token's s^ell - 1 neighbours. */
export interface LossPlateaus {
  H: number[]; // [L+1] nats: entropy of the last token, with the true prior on the level-ell ancestor
  H_unif: number[]; // [L+1] nats: the same with a uniform prior on that ancestor
  H_error: number[]; // [L+1] standard errors of H; 0 where the value is exact
  H_unif_error: number[]; // [L+1]
}

export interface LossOptions {
  /** Number of distinct posteriors to follow; beyond it a plateau is estimated by sampling contexts. */
  stateLimit?: number;
  /** Contexts to sample in that case. */
  samples?: number;
}

/**
 * Exact conditional entropies of the last token. A complete subtree determines its root, since tuples are distinct, so the
 * context amounts to one (s-1)-tuple of siblings per level, and the posterior over the spine symbol is a message passed down the
 * right spine. The average over contexts follows every distinct posterior once: posteriors that agree to 2^-40 are merged, which
 * keeps their number small. Source: arXiv:2505.07070, section on the exact losses. If there are too many posteriors (weighted
 * rules at many levels), contexts are sampled.
 */
export function lossPlateaus(rules: Rules, options: LossOptions = {}): LossPlateaus {
  const { stateLimit = 3e6, samples = 200_000 } = options;
  checkInteger('stateLimit', stateLimit, 0, 1e9);
  checkInteger('samples', samples, 2, 1e9);
  checkHasRules(rules);
  const spine = new Spine(rules, stateLimit);
  const prior = marginals(rules);
  const result: LossPlateaus = { H: [], H_unif: [], H_error: [], H_unif_error: [] };
  for (let ell = 0; ell <= rules.L; ell++) {
    const depth = rules.L - ell;
    const last = prior[depth][prior[depth].length - 1];
    const uniform = new Float64Array(last.length).fill(1 / last.length);
    for (const [weights, values, errors] of [
      [last, result.H, result.H_error],
      [uniform, result.H_unif, result.H_unif_error],
    ] as const) {
      const belief = makeBelief(weights);
      let value = spine.expectedEntropy(depth, belief);
      let error = 0;
      if (value === undefined) [value, error] = spine.sampledEntropy(depth, belief, samples, ell);
      values.push(value);
      errors.push(error);
    }
  }
  return result;
}

/** A posterior over the spine symbol: its support in increasing order and probabilities that sum to 1. */
interface Belief {
  symbols: number[];
  weights: number[];
}

interface Branch {
  siblings: number; // index of the (s-1)-tuple of left siblings at this depth
  last: number; // the symbol that continues the spine
  probability: number;
}

class Spine {
  readonly #branches: Branch[][][]; // [depth][symbol][rule]
  readonly #siblingCounts: number[]; // [depth]
  readonly #known: Map<string, number>[]; // [depth]: belief -> expected entropy
  readonly #certain: Float64Array[]; // [depth][symbol]: the same for a belief that is certain of one symbol, NaN = not computed yet
  readonly #rules: Rules;
  readonly #stateLimit: number;
  #states = 0;

  constructor(rules: Rules, stateLimit: number) {
    this.#rules = rules;
    this.#stateLimit = stateLimit;
    this.#siblingCounts = [];
    this.#branches = rules.rules.map((symbols, l) => {
      const names = new Map<string, number>();
      const weights = ruleWeights(rules, l);
      const table = symbols.map((tuples) =>
        tuples
          .map((tuple, k) => {
            const name = tuple.slice(0, -1).join();
            if (!names.has(name)) names.set(name, names.size);
            return { siblings: names.get(name)!, last: tuple[tuple.length - 1], probability: weights[k] };
          })
          .filter((b) => b.probability > 0),
      );
      this.#siblingCounts.push(names.size);
      return table;
    });
    this.#known = rules.rules.map(() => new Map());
    this.#certain = rules.rules.map((_, l) => new Float64Array(parents(rules, l)).fill(Number.NaN));
  }

  /** Mean over contexts of the entropy of the last token, from a belief at `depth`; undefined if over the limit. */
  expectedEntropy(depth: number, belief: Belief): number | undefined {
    if (depth === this.#rules.L) return entropy(belief.weights);
    const single = belief.symbols.length === 1;
    if (single) {
      const value = this.#certain[depth][belief.symbols[0]];
      if (!Number.isNaN(value)) return value;
    }
    const name = single ? '' : nameOf(belief);
    if (!single) {
      const value = this.#known[depth].get(name);
      if (value !== undefined) return value;
      if (++this.#states > this.#stateLimit) return undefined;
    }
    let sum = 0;
    for (const { probability, next } of this.#outcomes(depth, belief)) {
      const value = this.expectedEntropy(depth + 1, next);
      if (value === undefined) return undefined;
      sum += probability * value;
    }
    if (single) this.#certain[depth][belief.symbols[0]] = sum;
    else this.#known[depth].set(name, sum);
    return sum;
  }

  /** The same, estimated by sampling contexts: [mean, standard error]. */
  sampledEntropy(depth: number, start: Belief, samples: number, substream: number): [number, number] {
    const random = new UniformStream(streamKey(0, 'measure', substream));
    let mean = 0;
    let squares = 0;
    for (let i = 1; i <= samples; i++) {
      let belief = start;
      for (let l = depth; l < this.#rules.L; l++) {
        let u = (random.word() + 0.5) / 2 ** 32;
        const outcomes = this.#outcomes(l, belief);
        let pick = 0;
        while (pick < outcomes.length - 1 && u >= outcomes[pick].probability) u -= outcomes[pick++].probability;
        belief = outcomes[pick].next;
      }
      const value = entropy(belief.weights);
      const delta = value - mean;
      mean += delta / i;
      squares += delta * (value - mean);
    }
    return [mean, Math.sqrt(squares / (samples - 1) / samples)];
  }

  /** Every observable sibling tuple: its probability and the belief that results. */
  #outcomes(depth: number, belief: Belief): { probability: number; next: Belief }[] {
    const found = new Map<number, { probability: number; next: Belief }>();
    belief.symbols.forEach((a, i) => {
      for (const { siblings, last, probability } of this.#branches[depth][a]) {
        const weight = belief.weights[i] * probability;
        const outcome = found.get(siblings);
        if (outcome) {
          outcome.probability += weight;
          outcome.next.symbols.push(last);
          outcome.next.weights.push(weight);
        } else found.set(siblings, { probability: weight, next: { symbols: [last], weights: [weight] } });
      }
    });
    const outcomes = [...found.values()];
    for (const { probability, next } of outcomes) {
      if (next.symbols.length > 1) sortBelief(next);
      for (let i = 0; i < next.weights.length; i++) next.weights[i] /= probability;
    }
    return outcomes;
  }
}

function makeBelief(weights: ArrayLike<number>): Belief {
  const symbols = Array.from(weights, (_, x) => x).filter((x) => weights[x] > 0);
  return { symbols, weights: symbols.map((x) => weights[x]) };
}

/** Insertion sort by symbol: supports are short, and all symbols differ (a sibling tuple and a last symbol have one parent). */
function sortBelief({ symbols, weights }: Belief) {
  for (let i = 1; i < symbols.length; i++) {
    const x = symbols[i];
    const w = weights[i];
    let j = i - 1;
    for (; j >= 0 && symbols[j] > x; j--) {
      symbols[j + 1] = symbols[j];
      weights[j + 1] = weights[j];
    }
    symbols[j + 1] = x;
    weights[j + 1] = w;
  }
}

/** Beliefs with the same name agree to 2^-40 in every probability; their entropies agree to about 1e-11. */
function nameOf({ symbols, weights }: Belief): string {
  let name = '';
  for (let i = 0; i < symbols.length; i++) {
    const w = Math.round(weights[i] * 2 ** 40);
    name += String.fromCharCode(symbols[i], w / 2 ** 30, (w / 2 ** 15) & 0x7fff, w & 0x7fff);
  }
  return name;
}

function entropy(weights: number[]): number {
  if (weights.length === 1) return 0;
  let sum = 0;
  for (const p of weights) if (p > 0) sum -= p * Math.log(p);
  return sum;
}
