import { checkInteger } from '../core/check.js';
import type { GrammarShape, Rules } from '../core/rules.js';
import { marginals, push, transitions } from './marginals.js';

/**
 * Exact covariance of the last token with the symbol at (level, position): Cov[a, b] = P(a, b) - P(a) P(b), as
 * Float64Array [v * v] at [a * v + b], a the symbol, b the last token. level counts from the leaves (0 = a token, a
 * level-h symbol spans s^h tokens); position from 0 to s^(L-h) - 2 (the last one is the token's own ancestor).
 */
export function covarianceWithLast(
  rules: Rules,
  level: number,
  position: number,
  prepared = { step: transitions(rules), prior: marginals(rules) },
): Float64Array {
  const { s, L, v } = rules;
  checkInteger('level', level, 0, L - 1, 'from the leaves');
  checkInteger('position', position, 0, s ** (L - level) - 2, 'left of the last symbol of its level');
  const { step, prior } = prepared;
  const depth = L - level;
  const ell = commonLevel(rules, level, position);
  const top = L - ell; // depth of the lowest common ancestor
  const path = Array.from({ length: depth - top }, (_, i) => Math.floor(position / s ** (depth - top - 1 - i)) % s);
  const weights = prior[top][prior[top].length - 1];
  // Pair of the ancestor's child on the symbol's side and its last child, then each propagated to its end.
  const pair = new Float64Array(v * v);
  rules.rules[top].forEach((tuples, a) => {
    tuples.forEach((tuple, k) => {
      const p = weights[a] * (rules.ruleProbabilities?.[top]?.[k] ?? 1 / rules.m);
      pair[tuple[path[0]] * v + tuple[s - 1]] += p;
    });
  });
  let joint = pair;
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
 * Root mean square over symbol pairs of the covariance of the last token with level-h symbols, for each level ell of
 * the common ancestor: result[ell], ell = h+1..L, averaged over all positions with that ancestor; others are 0.
 */
export function rmsCovariances(rules: Rules, level = 0): number[] {
  const { s, L, v } = rules;
  const squares = new Float64Array(L + 1);
  const counts = new Float64Array(L + 1);
  const prepared = { step: transitions(rules), prior: marginals(rules) };
  for (let position = 0; position < s ** (L - level) - 1; position++) {
    const ell = commonLevel(rules, level, position);
    for (const c of covarianceWithLast(rules, level, position, prepared)) squares[ell] += c * c;
    counts[ell] += v * v;
  }
  return Array.from(squares, (x, ell) => (counts[ell] ? Math.sqrt(x / counts[ell]) : 0));
}

/**
 * Mean square covariance per entry predicted for random grammars with n = v, common ancestor at level ell, symbol at level h.
 * simple: (1-f) / (v^3 m^(2 ell-1-h)). Source: arXiv:2406.00048, arXiv:2505.07070.
 */
export function simpleMeanSquare({ v, m, s }: GrammarShape, ell: number, h = 0): number {
  return (1 - m / v ** (s - 1)) / (v ** 3 * m ** (2 * ell - 1 - h));
}

/**
 * The same with finite-v corrections, within about 1-2% for v >= 10. A level-h symbol and the token lie ell-1-h and
 * ell-1 levels below the pair of children; each level multiplies the mean square by g, and the levels above
 * the ancestor add to the variance of its symbol.
 */
export function refinedMeanSquare({ v, m, s, L }: GrammarShape, ell: number, h = 0): number {
  const tuples = v ** s;
  const f = m / v ** (s - 1);
  const g = ((v - 1) * v ** (s - 1)) / (m * (tuples - 1));
  let above = 0;
  for (let k = 0; k <= L - ell; k++) above += g ** k;
  return (1 - 1 / v) ** 2 * (tuples / (tuples - 1)) * ((1 - f) / (v ** 3 * m)) * above * g ** (2 * (ell - 1) - h);
}

/** Variance per entry of a covariance measured on P sentences: (1-1/v)^2 / (v^2 P); simple: 1/(v^2 P). */
export function noiseFloor({ v }: Pick<GrammarShape, 'v'>, P: number, simple = false): number {
  return (simple ? 1 : (1 - 1 / v) ** 2) / (v * v * P);
}

/** joint [A, B] with its rows pushed through table [A, v]: [v, B]. */
function pushRows(joint: Float64Array, table: Float64Array, v: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(v * v);
  for (let a = 0; a < v; a++)
    for (let c = 0; c < v; c++) {
      const t = table[a * v + c];
      if (t !== 0) for (let b = 0; b < v; b++) out[c * v + b] += t * joint[a * v + b];
    }
  return out;
}

/** joint [A, B] with its columns pushed through table [B, v]: [A, v]. */
function pushColumns(joint: Float64Array, table: Float64Array, v: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(v * v);
  for (let a = 0; a < v; a++) out.set(push(joint.subarray(a * v, (a + 1) * v), table, v), a * v);
  return out;
}
