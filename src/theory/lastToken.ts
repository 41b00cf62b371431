/** The exact distribution of the last token given the tokens before it, also for a language without held-out pairs of rules. */
import { ShapeError } from '../core/errors.js';
import { checkHasRules, parents, type Rules, sentenceLength } from '../core/rules.js';
import { rootWeights, ruleWeights } from './marginals.js';

export interface LastTokens {
  probabilities: Float64Array; // [count, v]
  seen: Uint32Array; // [count], k: how many tokens before the last were used
}

/**
 * p(last | last k tokens before it) in a language, with k the largest number for which these k tokens end the context of some
 * sentence: d - 1 for sentences of the language, fewer for sentences that contain a pair it excludes. The tokens before them are
 * summed over. Computed by messages up the tree and one down its right spine: exact to rounding. With `heldPairs` the language is
 * `without`, in which a child's rule depends on the rule above it, so the messages of that depth are by symbol and rule. tokens
 * [count, s^L]; the last of each row is not used. most: maximum number of tokens before the last to use, default all.
 */
export function lastTokens(language: Rules, tokens: ArrayLike<number>, count: number, most?: number): LastTokens {
  checkHasRules(language);
  const d = sentenceLength(language);
  if (tokens.length < count * d)
    throw new ShapeError(`lastTokens: ${tokens.length} tokens for ${count} sentences of s^L = ${d}; pass count * d`);
  const messages = new SuffixMessages(language);
  const { v } = language;
  const probabilities = new Float64Array(count * v);
  const seen = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const row = Array.prototype.slice.call(tokens, i * d, (i + 1) * d) as number[];
    if (row.some((x) => !(x >= 0 && x < v)))
      throw new ShapeError(`lastTokens: sentence ${i} has a token that is not below v = ${v}`);
    // If an ending occurs, shorter ones occur too.
    let known = 0;
    let unknown = Math.min(d, (most ?? d) + 1);
    for (let k = unknown - 1; known + 1 < unknown; k = (known + unknown) >> 1) {
      if (messages.upward(row, k)) known = k;
      else unknown = k;
    }
    messages.upward(row, known);
    seen[i] = known;
    messages.downward(probabilities.subarray(i * v, (i + 1) * v));
  }
  return { probabilities, seen };
}

class SuffixMessages {
  readonly #rules: Rules;
  readonly #up: Float64Array[]; // [depth]: [s^depth, n or v], the probability of what is observed below, scaled so that the largest is 1
  readonly #byRule: Float64Array; // messages of the restricted depth: [K, v, m]
  readonly #weights: number[][]; // [depth]: [m]
  readonly #restricted: number; // restricted depth, -1 without held-out pairs

  constructor(rules: Rules) {
    const { s, L, v, m, heldPairs } = rules;
    this.#rules = rules;
    this.#up = Array.from(
      { length: L + 1 },
      (_, depth) => new Float64Array(s ** depth * (depth < L ? parents(rules, depth) : v)),
    );
    this.#weights = rules.rules.map((_, depth) => ruleWeights(rules, depth));
    this.#restricted = heldPairs?.depth ?? -1;
    this.#byRule = new Float64Array(heldPairs ? heldPairs.places * v * m : 0);
  }

  /** @returns whether some sentence of the language has the last k tokens of row before its last */
  upward(row: readonly number[], k: number): boolean {
    const { L, s, v } = this.#rules;
    const leaves = this.#up[L];
    const d = row.length;
    leaves.fill(1);
    for (let p = d - 1 - k; p < d - 1; p++) {
      leaves.fill(0, p * v, (p + 1) * v);
      leaves[p * v + row[p]] = 1;
    }
    for (let depth = L - 1; depth >= 0; depth--) {
      const hidden = Math.floor((d - 1 - k) / s ** (L - depth)); // nodes to the left of everything observed
      for (let p = 0; p < s ** depth; p++) if (!this.#node(depth, p, p < hidden)) return false;
    }
    return rootWeights(this.#rules).some((weight, a) => weight * this.#up[0][a] > 0);
  }

  /** @returns whether any symbol is possible there */
  #node(depth: number, p: number, hidden: boolean): boolean {
    const { m, v, rules } = this.#rules;
    const symbols = parents(this.#rules, depth);
    const up = this.#up[depth].subarray(p * symbols, (p + 1) * symbols);
    const own = depth === this.#restricted ? this.#byRule.subarray(p * v * m, (p + 1) * v * m) : undefined;
    if (hidden) {
      up.fill(1);
      own?.fill(1);
      return true;
    }
    let most = 0;
    for (let a = 0; a < symbols; a++) {
      let sum = 0;
      for (let k = 0; k < m; k++) {
        let x = 1;
        for (let i = 0; i < rules[depth][a][k].length; i++) x *= this.#child(depth, p, a, k, i);
        if (own) {
          own[a * m + k] = x;
          if (x > most) most = x;
        }
        sum += this.#weights[depth][k] * x;
      }
      up[a] = sum;
      if (!own && sum > most) most = sum;
    }
    if (!(most > 0)) return false;
    for (let a = 0; a < symbols; a++) up[a] /= most;
    if (own) for (let j = 0; j < own.length; j++) own[j] /= most;
    return true;
  }

  /** The message of child i of node p under rule k of symbol a. */
  #child(depth: number, p: number, a: number, k: number, i: number): number {
    const { m, s, v, rules, heldPairs } = this.#rules;
    const child = p * s + i;
    const symbol = rules[depth][a][k][i];
    if (depth + 1 !== this.#restricted) return this.#up[depth + 1][child * v + symbol];
    const allowed = m - heldPairs!.held;
    const order = heldPairs!.order[(a * m + k) * s + i];
    let sum = 0;
    for (let r = 0; r < allowed; r++) sum += this.#byRule[(child * v + symbol) * m + order[r]];
    return sum / allowed;
  }

  /** To be called after `upward`: writes the distribution of the last token to out [v]. */
  downward(out: Float64Array): void {
    const { L, m, s, v, rules, heldPairs } = this.#rules;
    let belief = Float64Array.from(rootWeights(this.#rules));
    let byRule: Float64Array | undefined; // [v, m], at the restricted depth
    for (let depth = 0; depth < L; depth++) {
      const p = s ** depth - 1;
      const next = new Float64Array(v);
      const nextByRule = depth + 1 === this.#restricted ? new Float64Array(v * m) : undefined;
      for (let a = 0; a < belief.length; a++)
        for (let k = 0; k < m; k++) {
          let x = byRule ? byRule[a * m + k] : belief[a] * this.#weights[depth][k];
          for (let i = 0; x > 0 && i < s - 1; i++) x *= this.#child(depth, p, a, k, i);
          if (!(x > 0)) continue;
          const last = rules[depth][a][k][s - 1];
          next[last] += x;
          if (!nextByRule) continue;
          const order = heldPairs!.order[(a * m + k) * s + s - 1];
          for (let r = 0; r < m - heldPairs!.held; r++) nextByRule[last * m + order[r]] += x / (m - heldPairs!.held);
        }
      const sum = next.reduce((all, x) => all + x, 0);
      belief = next.map((x) => x / sum);
      byRule = nextByRule?.map((x) => x / sum);
    }
    out.set(belief);
  }
}
