import { ShapeError } from '../core/errors.js';
import { checkHasRules, type Rules, sentenceLength } from '../core/rules.js';
import { marginals, ruleWeights } from './marginals.js';

/**
 * Mean loss on given sentences, in nats, of the exact predictors of the last token: result[ell], ell = 0..L, for the predictor
 * that sees the s^ell - 1 tokens under the last token's level-ell ancestor. Over all sentences the mean is H(ell). A trained
 * network's loss less result[L] on the same sentences has less noise than its loss less H(L), since most of the noise comes from
 * how easy the drawn sentences are. tokens [count, s^L].
 */
export function exactLosses(rules: Rules, tokens: ArrayLike<number>, count: number): number[] {
  checkHasRules(rules);
  const { s, L, v } = rules;
  const d = sentenceLength(rules);
  if (tokens.length < count * d)
    throw new ShapeError(`exactLosses: ${tokens.length} tokens for ${count} sentences of s^L = ${d}; pass count * d`);
  const spine = rules.rules.map((_, depth) => branchesOf(rules, depth));
  const lookup = rules.rules.map(
    (symbols) => new Map(symbols.flatMap((tuples, a) => tuples.map((t) => [codeOf(t, 0, s, v), a]))),
  );
  const priors = marginals(rules).map((nodes) => nodes[nodes.length - 1]);
  const sums = new Float64Array(L + 1);
  const symbols = new Int32Array(d);
  const siblings: (number | string)[] = []; // by depth: the s - 1 left siblings of the spine below, as one name
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < d; p++) symbols[p] = tokens[i * d + p];
    const last = symbols[d - 1];
    for (let depth = L - 1, width = d; depth >= 0; depth--) {
      siblings[depth] = codeOf(symbols, width - s, s - 1, v);
      width /= s;
      for (let p = 0; p < width; p++) symbols[p] = lookup[depth].get(codeOf(symbols, p * s, s, v)) ?? -1;
      if (symbols[width - 1] < 0)
        throw new ShapeError(`exactLosses: sentence ${i} is not of this grammar; pass sentences drawn from its rules`);
    }
    for (let ell = 0; ell <= L; ell++) {
      let belief = priors[L - ell];
      for (let depth = L - ell; depth < L; depth++) belief = descend(spine[depth], siblings[depth], belief, v);
      sums[ell] -= Math.log(belief[last]);
    }
  }
  return Array.from(sums, (sum) => sum / count);
}

interface Branch {
  parent: number;
  last: number;
  probability: number;
}

/** Rules of a depth by the name of their first s - 1 symbols. */
function branchesOf(rules: Rules, depth: number): Map<number | string, Branch[]> {
  const { s, v } = rules;
  const weights = ruleWeights(rules, depth);
  const table = new Map<number | string, Branch[]>();
  rules.rules[depth].forEach((tuples, parent) => {
    tuples.forEach((tuple, k) => {
      const code = codeOf(tuple, 0, s - 1, v);
      const branch = { parent, last: tuple[s - 1], probability: weights[k] };
      const same = table.get(code);
      if (same) same.push(branch);
      else table.set(code, [branch]);
    });
  });
  return table;
}

/** The belief over the next spine symbol, given the belief over this one and the siblings: normalised. */
function descend(
  branches: Map<number | string, Branch[]>,
  siblings: number | string,
  belief: Float64Array,
  v: number,
): Float64Array<ArrayBuffer> {
  const next = new Float64Array(v);
  let total = 0;
  for (const { parent, last, probability } of branches.get(siblings) ?? []) {
    const weight = belief[parent] * probability;
    next[last] += weight;
    total += weight;
  }
  for (let c = 0; c < v; c++) next[c] /= total;
  return next;
}

/** `length` symbols starting at `at`, as a name: a number if that is exact. */
function codeOf(symbols: ArrayLike<number>, at: number, length: number, v: number): number | string {
  if (v ** length >= 2 ** 53) return Array.prototype.slice.call(symbols, at, at + length).join();
  let code = 0;
  for (let i = 0; i < length; i++) code = code * v + symbols[at + i];
  return code;
}
