import { heldPlaces, heldSums } from '../core/holdout.js';
import type { GrammarShape, Rules } from '../core/rules.js';

/** A grammar's sizes; with `heldPairs` those of the language with or without them. */
export type Counted = GrammarShape & Partial<Pick<Rules, 'heldPairs'>>;

/**
 * Number of distinct derivations, which is the number of distinct sentences: n * m^((s^L - 1) / (s - 1)); of a language without held-out
 * pairs m - h in place of m at each of the nodes below the parents.
 */
export function countDerivations(counted: Counted): bigint {
  const { n, m, s, L, heldPairs } = counted;
  const nodes = (s ** L - 1) / (s - 1);
  if (!heldPairs) return BigInt(n) * BigInt(m) ** BigInt(nodes);
  const places = heldPlaces(s, heldPairs);
  if (heldPairs.language === 'without')
    return BigInt(n) * BigInt(m) ** BigInt(nodes - places) * BigInt(m - heldPairs.held) ** BigInt(places);
  return heldSums(counted as Rules)[places - 1];
}

/** Natural logarithm of that number, for sizes whose integer would be long. */
export function logDerivations(counted: Counted): number {
  const { n, m, s, L, heldPairs } = counted;
  const all = Math.log(n) + ((s ** L - 1) / (s - 1)) * Math.log(m);
  if (!heldPairs) return all;
  const allowed = Math.log1p(-heldPairs.held / m);
  const places = heldPlaces(s, heldPairs);
  const log = { without: places * allowed, last: Math.log(heldPairs.held / m) };
  const context = () => allowed + Math.log(-Math.expm1((places - 1) * allowed)); // allowed at the last place, not at all others
  const some = () => Math.log(-Math.expm1(places * allowed));
  const { language } = heldPairs;
  return all + (language === 'with' ? some() : language === 'context' ? context() : log[language]);
}

/** ln of the probability that two independent sentences are the same: the sum of squared probabilities. */
export function logCoincidence(rules: Rules): number {
  if (rules.heldPairs) return -logDerivations(rules); // all sentences are equally probable
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
export const languageSize = (shape: Counted): string | null =>
  logDerivations(shape) / Math.LN10 < MOST_DIGITS ? countDerivations(shape).toString() : null;
