import type { GrammarShape, Rules } from '../core/rules.js';

/** Number of distinct derivations, which is the number of distinct sentences: n * m^((s^L - 1) / (s - 1)). */
export function countDerivations({ n, m, s, L }: GrammarShape): bigint {
  return BigInt(n) * BigInt(m) ** BigInt((s ** L - 1) / (s - 1));
}

/** Natural logarithm of that number, for sizes whose integer would be long. */
export function logDerivations({ n, m, s, L }: GrammarShape): number {
  return Math.log(n) + ((s ** L - 1) / (s - 1)) * Math.log(m);
}

/** ln of the probability that two independent sentences are the same: the sum of squared probabilities. */
export function logCoincidence(rules: Rules): number {
  const { n, m, s, L } = rules;
  const squares = (p: number[] | null | undefined, count: number) =>
    p ? Math.log(p.reduce((sum, x) => sum + x * x, 0)) : -Math.log(count);
  let log = squares(rules.rootPrior, n);
  for (let depth = 0; depth < L; depth++) log += s ** depth * squares(rules.ruleProbabilities?.[depth], m);
  return log;
}

/** Probability that among `sentences` independent ones at least two are the same (birthday bound, 1 - exp(-pairs q)). */
export function collisionProbability(rules: Rules, sentences: number): number {
  const pairs = Math.log(sentences) + Math.log(Math.max(0, sentences - 1)) - Math.LN2;
  return -Math.expm1(-Math.exp(pairs + logCoincidence(rules)));
}

const MOST_DIGITS = 1e5;

/** Number of distinct sentences as a decimal string; null where it has more than 10^5 digits. */
export const languageSize = (shape: GrammarShape): string | null =>
  logDerivations(shape) / Math.LN10 < MOST_DIGITS ? countDerivations(shape).toString() : null;
