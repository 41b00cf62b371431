/** Two exact predictors of the last token on sentences without and with held-out pairs of rules, and the sizes of these languages. */
import { type HeldSet, heldSets, relatedLanguage } from '../core/holdout.js';
import { type HeldLanguage, heldLanguages, type Rules, sentenceLength } from '../core/rules.js';
import type { Source } from '../core/sampleSource.js';
import { largest } from '../core/softmax.js';
import { streamKey } from '../core/threefry.js';
import { languageSize } from '../grammar/derivations.js';
import { Parser } from '../grammar/parser.js';
import { createSampler } from '../grammar/sampler.js';
import { type Judged, judge, twoPredictors } from '../theory/index.js';

export interface Predicted extends Judged {
  /** Fraction of sentences that obey the rules up to each level, 1 .. L, with the most probable token as the last. */
  grammatical: number[];
}

export interface HeldOutTheory {
  /** Distinct sentences as decimal strings; null beyond 10^5 digits. */
  sentences: Record<HeldLanguage | 'whole', string | null>;
  sets: {
    set: HeldSet;
    grammar: Predicted; // the exact posterior of the whole grammar
    surface: Predicted; // that of the training language given the longest suffix of the context that occurs in it
    seen: number; // mean number of tokens in that suffix, of d - 1
  }[];
}

/** language: without held-out pairs. Means over `count` sentences of each set, drawn from the seed. */
export async function heldOutTheory(language: Rules, count: number, seed: number): Promise<HeldOutTheory> {
  const { heldPairs: _, ...whole } = language;
  const sizes = heldLanguages.map((name) => [name, languageSize(relatedLanguage(language, name))] as const);
  const sentences = { whole: languageSize(whole), ...Object.fromEntries(sizes) } as HeldOutTheory['sentences'];
  const sets: HeldOutTheory['sets'] = [];
  for (const [i, set] of heldSets.entries()) {
    const source: Source = { mode: 'stream', key: streamKey(seed, 'test', 1 + i), size: 0n, first: 0, length: 0 };
    const sampler = await createSampler(relatedLanguage(language, set));
    const tokens = new Uint32Array(count * sampler.tokensPerSentence);
    sampler.tokens(source, 0, count, tokens);
    const { grammar, surface, seen } = twoPredictors(language, tokens, count);
    sets.push({
      set,
      grammar: predicted(whole, grammar, tokens, count),
      surface: predicted(whole, surface, tokens, count),
      seen: seen.reduce((sum, k) => sum + k, 0) / count,
    });
  }
  return { sentences, sets };
}

function predicted(whole: Rules, probabilities: Float64Array, tokens: Uint32Array, count: number): Predicted {
  const d = sentenceLength(whole);
  const { v } = whole;
  const rows = tokens.slice();
  for (let i = 0; i < count; i++) rows[(i + 1) * d - 1] = largest(probabilities.subarray(i * v, (i + 1) * v));
  const grammatical = new Parser(whole).lastTokenConsistency(rows, count).slice(1);
  return { ...judge(probabilities, tokens, count), grammatical };
}
