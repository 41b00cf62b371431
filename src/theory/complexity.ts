import { checkInteger } from '../core/check.js';
import { InputError } from '../core/errors.js';
import type { Family } from '../core/modelTypes.js';
import { checkShape, type GrammarShape } from '../core/rules.js';

export type { Family };

/**
 * Samples at which the loss step H(ell-1) -> H(ell) is learnt, up to a prefactor: signal (covariance) equals noise. Transformer:
 * (1-f)^-1 v m^(2 ell - 1); CNN: (1-f)^-1 v m^(ell+1) for ell >= 2 and (1-f)^-1 v m for ell = 1. Infinite when f = 1 (no
 * correlations). Locally connected networks are expected to follow the transformer law. Source: arXiv:2505.07070.
 */
export function sampleComplexity(shape: GrammarShape, family: Family, ell: number): number {
  const { m, L } = checkShape(shape);
  checkInteger('ell', ell, 1, L, 'loss step');
  const power = family === 'transformer' ? 2 * ell - 1 : ell === 1 ? 1 : ell + 1;
  return m ** power * complexityScale(shape, ell);
}

/**
 * P_ell divided by its power of m: v / (1 - f). At the last step, ell = L, the pair's ancestor is the root: n replaces the v of
 * the other levels, and n m / v^s replaces f (derived from the covariance; the same if n = v).
 */
export function complexityScale({ v, n, m, s, L }: GrammarShape, ell: number): number {
  const parents = ell === L ? n : v;
  return parents / (1 - (parents * m) / v ** s);
}

/** P_1 .. P_L. */
export function sampleComplexities(shape: GrammarShape, family: Family): number[] {
  return Array.from({ length: shape.L }, (_, i) => sampleComplexity(shape, family, i + 1));
}

/** Samples to learn to classify the root: n m^L. Source: arXiv:2307.02129. */
export function classificationComplexity({ n, m, L }: GrammarShape): number {
  return n * m ** L;
}

/**
 * Exponent alpha of the excess loss, L(P) - L(inf) ~ P^-alpha: transformer ln(1/f) / (2 ln m), cnn ln(1/f) / ln m.
 * @throws InputError unless f < 1 and m > 1. Source: arXiv:2505.07070.
 */
export function scalingExponent({ v, m, s }: GrammarShape, family: Family): number {
  const f = m / v ** (s - 1);
  if (m < 2 || f >= 1) throw new InputError(`m = ${m}: the exponent needs m > 1 and f = m / v^(s-1) = ${f} below 1`);
  return Math.log(1 / f) / ((family === 'transformer' ? 2 : 1) * Math.log(m));
}
