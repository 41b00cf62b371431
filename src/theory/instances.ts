import { checkHasRules, type GrammarOptions, type GrammarShape, makeRules, type Rules } from '../core/rules.js';
import { meanSquareCovariances } from './covariance.js';
import { type LossPlateaus, lossPlateaus } from './losses.js';

/** Quantities that differ between grammars; plain data, so that it can be posted between threads. */
export interface InstanceTheory extends LossPlateaus {
  meanSquares: number[][]; // [h][ell], of meanSquareCovariances
}

export function examineGrammar(rules: Rules): InstanceTheory {
  checkHasRules(rules);
  return { ...lossPlateaus(rules), meanSquares: meanSquareCovariances(rules) };
}

/** The same for the random grammar of a seed. @throws InputError */
export function examineInstance(shape: GrammarShape, seed: number, options: GrammarOptions = {}): InstanceTheory {
  return examineGrammar(makeRules(shape, seed, options));
}
