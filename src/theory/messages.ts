import { parents, type Rules } from '../core/rules.js';
import { rootWeights, ruleWeights } from './marginals.js';

/**
 * Messages of belief propagation on the tree of one sentence, as natural logarithms, so that large products do not underflow. The
 * message from a node to its parent is, for each symbol of the node, the (largest or summed) probability of what is observed below
 * it; it is scaled so that its largest entry is 0. A rule's term is its weight times the messages of its s symbols, so a node costs v
 * * m * s additions. The tree has no circles: one pass up and one down are exact. Source: Pearl, "Probabilistic reasoning in
 * intelligent systems", 1988, ch. 4; for this grammar arXiv:2402.16991.
 */
export class TreeMessages {
  /** [s^L, v]: to be filled before `upward`. */
  readonly leaves: Float64Array;
  /** Evidence on each symbol above the leaves, [depth]: [s^depth, n or v], logarithms. Set before `upward`; absent: none. */
  evidence?: readonly Float64Array[];
  readonly #rules: Rules;
  readonly #tuples: Int32Array[]; // [depth]: [parents, m, s]
  readonly #weights: Float64Array[]; // [depth]: [m], logarithms
  readonly #prior: Float64Array; // [n], logarithms
  readonly #up: Float64Array[]; // [depth]: [s^depth, n or v]
  readonly #shift: Float64Array[]; // [depth]: [s^depth], the shift by which a node's message was scaled
  readonly #terms: Float64Array; // [m]

  constructor(rules: Rules) {
    const { L, m, s, v } = rules;
    this.#rules = rules;
    this.#tuples = rules.rules.map((symbols) => Int32Array.from(symbols.flat(2)));
    this.#weights = rules.rules.map((_, depth) => Float64Array.from(ruleWeights(rules, depth), Math.log));
    this.#prior = Float64Array.from(rootWeights(rules), Math.log);
    this.#up = rules.rules.map((_, depth) => new Float64Array(s ** depth * parents(rules, depth)));
    this.#up.push(new Float64Array(s ** L * v));
    this.#shift = rules.rules.map((_, depth) => new Float64Array(s ** depth));
    this.#terms = new Float64Array(m);
    this.leaves = this.#up[L];
  }

  /**
   * Computes all messages to parents. largest: maxima instead of sums, for the most probable tree.
   * @returns log probability of the observations (or of the observations and the most probable tree); -Infinity if no tree can
   * have them
   */
  upward(largest = false): number {
    let log = 0;
    for (let depth = this.#rules.L - 1; depth >= 0; depth--) log += this.#combine(depth, largest);
    if (log === Number.NEGATIVE_INFINITY) return log;
    const scores = this.#prior.map((p, a) => p + this.#up[0][a]);
    const best = scores.reduce((x, y) => Math.max(x, y));
    if (largest || best === Number.NEGATIVE_INFINITY) return log + best;
    return log + best + Math.log(scores.reduce((sum, x) => sum + Math.exp(x - best), 0));
  }

  #combine(depth: number, largest: boolean): number {
    const { m, s, v } = this.#rules;
    const tuples = this.#tuples[depth];
    const weights = this.#weights[depth];
    const up = this.#up[depth];
    const below = this.#up[depth + 1];
    const shift = this.#shift[depth];
    const terms = this.#terms;
    const symbols = parents(this.#rules, depth);
    const evidence = this.evidence?.[depth];
    let log = 0;
    for (let p = 0; p < shift.length; p++) {
      let top = Number.NEGATIVE_INFINITY;
      for (let a = 0; a < symbols; a++) {
        let best = Number.NEGATIVE_INFINITY;
        let at = a * m * s;
        for (let k = 0; k < m; k++) {
          let x = weights[k];
          for (let child = p * s * v, end = child + s * v; child < end; child += v) x += below[child + tuples[at++]];
          terms[k] = x;
          if (x > best) best = x;
        }
        if (!largest && best > Number.NEGATIVE_INFINITY) {
          let sum = 0;
          for (let k = 0; k < m; k++) if (terms[k] > Number.NEGATIVE_INFINITY) sum += Math.exp(terms[k] - best);
          best += Math.log(sum);
        }
        if (evidence) best += evidence[p * symbols + a];
        up[p * symbols + a] = best;
        if (best > top) top = best;
      }
      if (top === Number.NEGATIVE_INFINITY) return top;
      for (let a = p * symbols; a < (p + 1) * symbols; a++) up[a] -= top;
      shift[p] = top;
      log += top;
    }
    return log;
  }

  /**
   * To be called after `upward()`: posteriors[depth] [count, s^depth, n or v], written for sentence i. They must be 0 before.
   * from, priors: if given, each node of depth `from` is the root of a separate tree, whose symbol has the log prior priors[node],
   * so that tokens outside a node's block have no influence on it.
   */
  downward(
    posteriors: readonly Float64Array[],
    i: number,
    from = 0,
    priors: readonly Float64Array[] = [this.#prior],
  ): void {
    const { L, m, s, v } = this.#rules;
    const width = priors[0].length;
    for (const [node, prior] of priors.entries()) {
      const at = (i * priors.length + node) * width;
      beliefs(prior, this.#up[from].subarray(node * width), posteriors[from].subarray(at, at + width));
    }
    for (let depth = from; depth < L; depth++) {
      const tuples = this.#tuples[depth];
      const weights = this.#weights[depth];
      const up = this.#up[depth];
      const below = this.#up[depth + 1];
      const shift = this.#shift[depth];
      const symbols = parents(this.#rules, depth);
      const from = i * shift.length * symbols;
      const to = i * below.length;
      const here = posteriors[depth];
      const next = posteriors[depth + 1];
      for (let p = 0; p < shift.length; p++)
        for (let a = 0; a < symbols; a++) {
          const belief = here[from + p * symbols + a];
          if (belief === 0) continue;
          const whole = up[p * symbols + a] + shift[p] - (this.evidence?.[depth][p * symbols + a] ?? 0);
          for (let k = 0; k < m; k++) {
            const rule = (a * m + k) * s;
            let x = weights[k];
            for (let c = 0; c < s; c++) x += below[(p * s + c) * v + tuples[rule + c]];
            if (x === Number.NEGATIVE_INFINITY) continue;
            // Given the symbol, its rule depends only on what is below it.
            const share = belief * Math.exp(x - whole);
            for (let c = 0; c < s; c++) next[to + (p * s + c) * v + tuples[rule + c]] += share;
          }
        }
    }
  }

  /**
   * One tree from the root down, written to row i of symbols[depth] [rows, s^depth] and rules[depth] [rows, s^depth]. choose:
   * selects one of the scores, natural logarithms up to a common constant. The largest after `upward(true)` gives the most
   * probable tree; one drawn in proportion after `upward()` gives a sample.
   * @returns log probability of the tree and of the observations
   */
  trace(symbols: readonly Int32Array[], rules: readonly Int32Array[], i: number, choose: Choice): number {
    const { L, m, s, v } = this.#rules;
    const root = choose(this.#prior.map((p, a) => p + this.#up[0][a]));
    symbols[0][i] = root;
    let log = this.#prior[root];
    for (let depth = 0; depth < L; depth++) {
      const tuples = this.#tuples[depth];
      const below = this.#up[depth + 1];
      const nodes = this.#shift[depth].length;
      for (let p = 0; p < nodes; p++) {
        const symbol = symbols[depth][i * nodes + p];
        const at = symbol * m * s;
        log += this.evidence?.[depth][p * (this.#up[depth].length / nodes) + symbol] ?? 0;
        for (let k = 0; k < m; k++) {
          let x = this.#weights[depth][k];
          for (let c = 0; c < s; c++) x += below[(p * s + c) * v + tuples[at + k * s + c]];
          this.#terms[k] = x;
        }
        const k = choose(this.#terms);
        rules[depth][i * nodes + p] = k;
        log += this.#weights[depth][k];
        for (let c = 0; c < s; c++) symbols[depth + 1][(i * nodes + p) * s + c] = tuples[at + k * s + c];
      }
    }
    for (let p = 0; p < s ** L; p++) log += this.leaves[p * v + symbols[L][i * s ** L + p]];
    return log;
  }
}

/** Probabilities of a node's symbols, from the sum of two logarithms each. */
function beliefs(prior: Float64Array, message: Float64Array, out: Float64Array): void {
  let best = Number.NEGATIVE_INFINITY;
  for (let a = 0; a < out.length; a++) best = Math.max(best, prior[a] + message[a]);
  let sum = 0;
  for (let a = 0; a < out.length; a++) sum += out[a] = Math.exp(prior[a] + message[a] - best);
  for (let a = 0; a < out.length; a++) out[a] /= sum;
}

export type Choice = (scores: Float64Array) => number;

/** The index of the largest score, the first of equal ones. */
export const largestOf: Choice = (scores) => {
  let best = 0;
  for (let k = 1; k < scores.length; k++) if (scores[k] > scores[best]) best = k;
  return best;
};

/** Draws an index with probability proportional to exp(score). uniform: numbers in (0, 1). */
export const drawOf =
  (uniform: () => number): Choice =>
  (scores) => {
    const best = scores[largestOf(scores)];
    let left = uniform() * scores.reduce((sum, x) => sum + Math.exp(x - best), 0);
    let last = 0;
    for (let k = 0; k < scores.length; k++) {
      const weight = Math.exp(scores[k] - best);
      if (weight === 0) continue;
      last = k;
      left -= weight;
      if (left < 0) break;
    }
    return last;
  };
