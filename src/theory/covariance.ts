import { checkInteger } from '../core/check.js';
import { checkHasRules, type GrammarShape, type Rules } from '../core/rules.js';
import { complexityScale } from './complexity.js';
import { marginals, push, ruleWeights, transitions } from './marginals.js';

/**
 * Exact covariance of the last token with the symbol at (level, position): Cov[a, b] = P(a, b) - P(a) P(b), as
 * Float64Array [v * v] at [a * v + b], a the symbol, b the last token. level counts from the leaves (0 = a token, a
 * level-h symbol spans s^h tokens); position from 0 to s^(L-h) - 2 (the last one is the token's own ancestor).
 */
export function covarianceWithLast(rules: Rules, level: number, position: number): Float64Array {
  checkHasRules(rules);
  const { s, L, v } = rules;
  checkInteger('level', level, 0, L - 1, 'from the leaves');
  checkInteger('position', position, 0, s ** (L - level) - 2, 'left of the last symbol of its level');
  const step = transitions(rules);
  const prior = marginals(rules);
  const depth = L - level;
  const ell = commonLevel(rules, level, position);
  const top = L - ell; // depth of the lowest common ancestor
  const path = Array.from({ length: depth - top }, (_, i) => Math.floor(position / s ** (depth - top - 1 - i)) % s);
  let joint = pairOfChildren(rules, prior[top][prior[top].length - 1], top, path[0]);
  for (let l = top + 1; l < depth; l++) joint = pushRows(joint, step[l][path[l - top]], v);
  for (let l = top + 1; l < L; l++) joint = pushColumns(joint, step[l][s - 1], v);
  const left = prior[depth][position];
  const right = prior[L][prior[L].length - 1];
  return joint.map((p, i) => p - left[Math.floor(i / v)] * right[i % v]);
}

/** Level, from the leaves, of the lowest common ancestor of the last token and the symbol at (level, position). */
export function commonLevel({ s, L }: GrammarShape, level: number, position: number): number {
  let ell = level;
  let here = position;
  let last = s ** (L - level) - 1;
  while (here !== last) {
    here = Math.floor(here / s);
    last = Math.floor(last / s);
    ell++;
  }
  return ell;
}

/**
 * Mean square over symbol pairs of the covariance of the last token with level-h symbols, averaged over all positions whose
 * common ancestor with it is at level ell: result[h][ell], ell = h+1..L, other entries are 0. One walk over the tree computes all
 * levels.
 */
export function meanSquareCovariances(rules: Rules): number[][] {
  checkHasRules(rules);
  const { s, L, v } = rules;
  const step = transitions(rules);
  const prior = marginals(rules);
  const right = prior[L][prior[L].length - 1];
  const sums = Array.from({ length: L }, () => new Array<number>(L + 1).fill(0));
  const counts = Array.from({ length: L }, () => new Array<number>(L + 1).fill(0));
  for (let ell = 1; ell <= L; ell++) {
    const top = L - ell;
    const ancestor = prior[top].length - 1;
    /** joint [v, v]: symbol at (depth, position) and last token. */
    const visit = (depth: number, position: number, joint: Float64Array) => {
      const left = prior[depth][position];
      for (let a = 0; a < v; a++)
        for (let b = 0; b < v; b++) sums[L - depth][ell] += (joint[a * v + b] - left[a] * right[b]) ** 2;
      counts[L - depth][ell] += v * v;
      if (depth === L) return;
      for (const [i, table] of step[depth].entries()) visit(depth + 1, position * s + i, pushRows(joint, table, v));
    };
    for (let slot = 0; slot < s - 1; slot++) {
      let joint = pairOfChildren(rules, prior[top][ancestor], top, slot);
      for (let l = top + 1; l < L; l++) joint = pushColumns(joint, step[l][s - 1], v);
      visit(top + 1, ancestor * s + slot, joint);
    }
  }
  return sums.map((row, h) => row.map((sum, ell) => (counts[h][ell] ? sum / counts[h][ell] : 0)));
}

/** Square roots of meanSquareCovariances for one level h. */
export function rmsCovariances(rules: Rules, level = 0): number[] {
  checkHasRules(rules);
  checkInteger('level', level, 0, rules.L - 1, 'from the leaves');
  return meanSquareCovariances(rules)[level].map(Math.sqrt);
}

/**
 * Joint distribution [v, v] of the child in `slot` and the last child of the last node at depth `top`, whose distribution is
 * `weights`.
 */
function pairOfChildren(rules: Rules, weights: Float64Array, top: number, slot: number): Float64Array {
  const { v, s } = rules;
  const pair = new Float64Array(v * v);
  const probabilities = ruleWeights(rules, top);
  rules.rules[top].forEach((tuples, a) => {
    tuples.forEach((tuple, k) => {
      pair[tuple[slot] * v + tuple[s - 1]] += weights[a] * probabilities[k];
    });
  });
  return pair;
}

/**
 * Mean square covariance per entry predicted for random grammars, with the common ancestor at level ell and the symbol at level
 * h. simple: (1-f) / (v^3 m^(2 ell-1-h)). Source: arXiv:2406.00048, arXiv:2505.07070. If the ancestor is the root (ell = L), n m
 * tuples are in use instead of v m (derived).
 */
export function simpleMeanSquare(shape: GrammarShape, ell: number, h = 0): number {
  const { v, m } = shape;
  return 1 / (complexityScale(shape, ell) * v ** 2 * m ** (2 * ell - 1 - h));
}

/**
 * The same with finite-v corrections, within about 1-2% for v >= 10. A level-h symbol and the token are ell-1-h and ell-1 levels
 * below the pair of children; each level multiplies the mean square by g, and the levels above the ancestor add to the variance
 * of its symbol, the root's n m tuples by the variance of a count drawn without replacement.
 */
export function refinedMeanSquare(shape: GrammarShape, ell: number, h = 0): number {
  const { v, n, m, s, L } = shape;
  const tuples = v ** s;
  const g = ((v - 1) * v ** (s - 1)) / (m * (tuples - 1));
  let above = 0;
  const root = n === v ? 1 : ((tuples - n * m) * v) / ((tuples - v * m) * n);
  for (let k = 0; k <= L - ell; k++) above += k > 0 && k === L - ell ? root * g ** k : g ** k;
  const pair = 1 / (complexityScale(shape, ell) * v ** 2 * m);
  return (1 - 1 / v) ** 2 * (tuples / (tuples - 1)) * pair * above * g ** (2 * (ell - 1) - h);
}

/** Variance per entry of a covariance measured on P sentences: (1-1/v)^2 / (v^2 P); simple: 1/(v^2 P). */
export function noiseFloor({ v }: Pick<GrammarShape, 'v'>, P: number, simple = false): number {
  return (simple ? 1 : (1 - 1 / v) ** 2) / (v * v * P);
}

/** joint [A, B] with its rows mapped by table [A, v]: [v, B]. */
function pushRows(joint: Float64Array, table: Float64Array, v: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(v * v);
  for (let a = 0; a < v; a++)
    for (let c = 0; c < v; c++) {
      const t = table[a * v + c];
      if (t !== 0) for (let b = 0; b < v; b++) out[c * v + b] += t * joint[a * v + b];
    }
  return out;
}

/** joint [A, B] with its columns mapped by table [B, v]: [A, v]. */
function pushColumns(joint: Float64Array, table: Float64Array, v: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(v * v);
  for (let a = 0; a < v; a++) out.set(push(joint.subarray(a * v, (a + 1) * v), table, v), a * v);
  return out;
}
