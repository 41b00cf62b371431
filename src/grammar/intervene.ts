import { checkInteger } from '../core/check.js';
import type { GrammarShape } from '../core/rules.js';
import type { Source } from '../core/sampleSource.js';
import { type Key, streamKey } from '../core/threefry.js';
import type { TreeChange } from '../core/treeChange.js';
import type { Sampler } from './sampler.js';

/**
 * A change to derivation trees, by level from the leaves: a level-l symbol spans s^l tokens. `rule` keeps the symbol and
 * resamples its rule (a synonym); `symbol` resamples the symbol (noise; level 0 = a token). Everything below is resampled.
 */
export interface Intervention {
  kind: 'rule' | 'symbol';
  level: number; // 1..L for a rule, 0..L for a symbol
  position: number; // 0 .. s^(L - level) - 1; negative counts from the end, -2 = next to the last
  different?: boolean; // never the old value; default false
}

/** @throws InputError naming level or position and the bound. */
export function treeChange({ s, L }: GrammarShape, change: Intervention, key: Key): TreeChange {
  const { kind, level, position, different = false } = change;
  checkInteger('level', level, kind === 'rule' ? 1 : 0, L, 'from the leaves');
  const width = s ** (L - level);
  checkInteger('position', position, -width, width - 1, `among the ${width} symbols of level ${level}`);
  return { kind, depth: L - level, position: position < 0 ? position + width : position, different, key };
}

export interface Intervened {
  before: Uint32Array; // tokens [count, s^L]
  after: Uint32Array; // tokens [count, s^L]
  changed: number[][]; // [count]: token positions at which the two differ, ascending
}

/** Sentences start .. start+count-1 before and after an intervention. seed: determines the new draws. */
export function intervene(
  sampler: Sampler,
  source: Source,
  start: number,
  count: number,
  intervention: Intervention,
  seed: number,
): Intervened {
  const change = treeChange(sampler.rules, intervention, streamKey(seed, 'measure'));
  const d = sampler.tokensPerSentence;
  const before = new Uint32Array(count * d);
  const after = new Uint32Array(count * d);
  sampler.tokens(source, start, count, before);
  sampler.tokens(source, start, count, after, change);
  const changed = Array.from({ length: count }, (_, i) => {
    const positions: number[] = [];
    for (let t = 0; t < d; t++) if (before[i * d + t] !== after[i * d + t]) positions.push(t);
    return positions;
  });
  return { before, after, changed };
}
