/** The grammars of `rhm reproduce`, and its scales. */
import { type GrammarOptions, type GrammarShape, makeRules } from '../core/rules.js';
import { countDerivations } from '../grammar/derivations.js';
import { lossPlateaus } from '../theory/losses.js';

/** `quick`: minutes on two cores. `paper`: about an hour on one large GPU. */
export const scales = ['quick', 'paper'] as const;
export type Scale = (typeof scales)[number];

export const size = (v: number, m: number, L: number, n = v): GrammarShape => ({ v, n, m, s: 2, L });

/** Smallest step, in nats, of a grammar that is used: some small grammars have none (H(L-1) = H(L)). */
export const SMALLEST_STEP = 0.05;

export interface PlannedGrammar {
  seed: number;
  plateaus: number[]; // H(0) .. H(L), nats
  sentences: number; // number in the language
}

const found = new Map<string, PlannedGrammar[]>();

/**
 * Grammar number `index` of a size: seeds 1, 2, 3, ... except those with a step too small to be seen, under any of the weightings
 * of its rules.
 */
export function grammarOf(
  shape: GrammarShape,
  index: number,
  weightings: readonly GrammarOptions[] = [{}],
): PlannedGrammar {
  const key = JSON.stringify([shape, weightings]);
  const list = found.get(key) ?? [];
  found.set(key, list);
  for (let seed = (list.at(-1)?.seed ?? 0) + 1; list.length <= index; seed++) {
    const all = weightings.map((options) => lossPlateaus(makeRules(shape, seed, options)).H);
    const smallest = Math.min(...all.flatMap((H) => H.slice(1).map((loss, i) => H[i] - loss)));
    if (smallest >= SMALLEST_STEP) list.push({ seed, plateaus: all[0], sentences: Number(countDerivations(shape)) });
  }
  return list[index];
}
