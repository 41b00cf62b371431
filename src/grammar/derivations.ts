import type { GrammarShape, Rules } from '../core/rules.js';

/** A grammar's sizes; with `heldPairs` those of the language with or without the pairs. */
export type Counted = GrammarShape & Partial<Pick<Rules, 'heldPairs'>>;

/**
 * Number of distinct derivations, which is the number of distinct sentences: n * m^((s^L - 1) / (s - 1)); for a language without
 * held-out pairs, with m - h in place of m at each of the nodes below the parents.
 */
export function countDerivations({ n, m, s, L, heldPairs }: Counted): bigint {
  const nodes = (s ** L - 1) / (s - 1);
  const power = (base: number, exponent: number) => BigInt(base) ** BigInt(exponent);
  if (!heldPairs) return BigInt(n) * power(m, nodes);
  const { places, held, language } = heldPairs;
  const others = BigInt(n) * power(m, nodes - places);
  const without = power(m - held, places);
  const last = BigInt(held) * power(m, places - 1);
  const some = power(m, places) - without;
  return others * { without, with: some, context: some - last, last }[language];
}

/** Natural logarithm of that number, for sizes whose integer would be very long. */
export function logDerivations({ n, m, s, L, heldPairs }: Counted): number {
  const all = Math.log(n) + ((s ** L - 1) / (s - 1)) * Math.log(m);
  if (!heldPairs) return all;
  const { places, held, language } = heldPairs;
  const allowed = Math.log1p(-held / m);
  const some = (count: number) => Math.log(-Math.expm1(count * allowed)); // ln of the probability of a held-out pair at some of `count` places
  const logs = {
    without: places * allowed,
    with: some(places),
    context: allowed + some(places - 1), // allowed at the last place
    last: Math.log(held / m),
  };
  return all + logs[language];
}

/** ln of the probability that two independent sentences are equal: the sum of squared probabilities. */
export function logCoincidence(rules: Rules): number {
  if (rules.heldPairs) return -logDerivations(rules); // all sentences are equally probable
  const { n, m, s, L } = rules;
  const squares = (p: number[] | null | undefined, count: number) =>
    p ? Math.log(p.reduce((sum, x) => sum + x * x, 0)) : -Math.log(count);
  let log = squares(rules.rootPrior, n);
  for (let depth = 0; depth < L; depth++) log += s ** depth * squares(rules.ruleProbabilities?.[depth], m);
  return log;
}

/** Probability that among `sentences` independent ones at least two are equal (birthday bound, 1 - exp(-pairs q)). */
export function collisionProbability(rules: Rules, sentences: number): number {
  const pairs = Math.log(sentences) + Math.log(Math.max(0, sentences - 1)) - Math.LN2;
  return -Math.expm1(-Math.exp(pairs + logCoincidence(rules)));
}

const MOST_DIGITS = 1e5;

/** Number of distinct sentences as a decimal string; null if it has more than 10^5 digits. */
export const languageSize = (shape: Counted): string | null =>
  logDerivations(shape) / Math.LN10 < MOST_DIGITS ? countDerivations(shape).toString() : null;
