/**
 * Power-law rules: if the rules of the last level have p_k ~ k^-(1+a), the error of a classifier falls like P^(-a/(1+a)), since a
 * rule is learnt once it has been seen often enough. The exponent of next-token prediction does not change. Source:
 * arXiv:2505.07067.
 */
import { show } from '../core/check.js';
import { InputError } from '../core/errors.js';

/**
 * a/(1+a), the exponent with which the classification error falls if there are many rules. a from 0 (no fall) to infinity (1).
 * @throws InputError
 */
export function zipfExponent(a: number): number {
  if (!(a >= 0)) throw new InputError(`a: expected a number of at least 0, for p_k ~ k^-(1+a), got ${show(a)}`);
  return a === Infinity ? 1 : a / (1 + a);
}

/**
 * Classification error if rule k is learnt with probability 1 - exp(-P p_k / scale), and a sentence of `tuples` tuples is
 * classified if all of its rules are learnt, otherwise by chance (derived; the scale cancels in slopes). x = P / scale.
 */
export function zipfError(p: readonly number[], tuples: number, classes: number, x: number): number {
  const unknown = p.reduce((sum, probability) => sum + probability * Math.exp(-x * probability), 0);
  return (1 - 1 / classes) * -Math.expm1(tuples * Math.log1p(-unknown));
}

/** ln x at which that error has a given value, by bisection; undefined if it never does. */
export function zipfPlace(p: readonly number[], tuples: number, classes: number, error: number): number | undefined {
  let low = -20;
  let high = 60;
  const at = (x: number) => zipfError(p, tuples, classes, Math.exp(x));
  if (!(at(low) > error && at(high) < error)) return undefined;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (at(middle) > error) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
