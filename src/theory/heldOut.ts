/**
 * Two exact predictors of the last token: one knows the whole grammar, the other the surface statistics of the language from
 * which training draws.
 */

import type { Rules } from '../core/rules.js';
import { largest } from '../core/softmax.js';
import { lastTokens } from './lastToken.js';

/** Distributions of the last token, [count, v] each. */
export interface TwoPredictors {
  /** p(last | all tokens before it) of the whole grammar. */
  grammar: Float64Array;
  /** p(last | last k tokens before it) of the training language, for the longest k tokens that occur in it. */
  surface: Float64Array;
  seen: Uint32Array; // [count], that k
}

/** language: the grammar without held-out pairs. tokens [count, s^L] of the grammar. */
export function twoPredictors(language: Rules, tokens: ArrayLike<number>, count: number): TwoPredictors {
  const { heldPairs: _, ...whole } = language;
  const { probabilities: surface, seen } = lastTokens(language, tokens, count);
  return { grammar: lastTokens(whole, tokens, count).probabilities, surface, seen };
}

/** How good predicted distributions of the last token are on sentences. */
export interface Judged {
  /** Mean loss in nats on the sentences whose last token has a probability above 0; NaN if there is none. */
  loss: number;
  possible: number; // fraction of those sentences
  accuracy: number; // accuracy of the most probable token
}

/** probabilities [count, v], tokens [count, d]. */
export function judge(probabilities: Float64Array, tokens: ArrayLike<number>, count: number): Judged {
  const v = probabilities.length / count;
  const d = tokens.length / count;
  let loss = 0;
  let possible = 0;
  let right = 0;
  for (let i = 0; i < count; i++) {
    const row = probabilities.subarray(i * v, (i + 1) * v);
    const last = tokens[(i + 1) * d - 1];
    if (largest(row) === last) right++;
    if (!(row[last] > 0)) continue;
    possible++;
    loss -= Math.log(row[last]);
  }
  return { loss: loss / possible, possible: possible / count, accuracy: right / count };
}

/** Mean Kullback-Leibler divergence in nats of `of` from `reference`: 0 if they are equal. [count, v] each. */
export function divergence(reference: Float64Array, of: Float64Array, count: number): number {
  let sum = 0;
  for (let j = 0; j < reference.length; j++) if (reference[j] > 0) sum += reference[j] * Math.log(reference[j] / of[j]);
  return sum / count;
}
