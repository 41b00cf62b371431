import { checkInteger } from './check.js';
import { InputError } from './errors.js';
import type { GrammarShape, Rules } from './rules.js';
import type { Key } from './threefry.js';

/**
 * A change to a derivation tree, by depth below the root (depth L = a token). The new draws come from `key` and the same sentence
 * number, so a changed tree is as reproducible as the original. Everything below the changed node is drawn again; everything
 * outside its subtree stays.
 */
export interface TreeChange {
  kind: 'rule' | 'symbol'; // rule: the symbol stays; symbol: drawn again (the root from its prior, others uniformly)
  depth: number; // 0..L-1 for a rule, 0..L for a symbol
  position: number; // 0 .. s^depth - 1
  different: boolean; // never the old value
  key: Key;
}

/** The 6 words that WebAssembly and WGSL read. */
export const CHANGE = {
  kind: 0, // 1 rule, 2 symbol; 0 none
  depth: 1,
  position: 2,
  different: 3,
  key: 4, // 2 words
} as const;
export const CHANGE_WORDS = 6;

/** @throws InputError naming the field and the bound. */
export function changeWords(
  shape: GrammarShape & Partial<Pick<Rules, 'heldPairs'>>,
  change: TreeChange,
): Uint32Array<ArrayBuffer> {
  const { heldPairs } = shape;
  if (heldPairs && heldPairs.language !== 'without')
    throw new InputError(
      'change: sentences with held-out pairs are drawn as a whole and cannot be changed; change those of the training language',
    );
  checkInteger('depth', change.depth, 0, change.kind === 'rule' ? shape.L - 1 : shape.L, 'levels below the root');
  checkInteger('position', change.position, 0, shape.s ** change.depth - 1, 'position within its level');
  const rules = shape.m - (change.depth === heldPairs?.depth ? heldPairs.held : 0);
  const choices = change.kind === 'rule' ? rules : change.depth === 0 ? shape.n : shape.v;
  if (change.different && choices < 2)
    throw new InputError(`different: there is only one ${change.kind} to choose from here; drop the option`);
  const kind = change.kind === 'rule' ? 1 : 2;
  return Uint32Array.of(kind, change.depth, change.position, change.different ? 1 : 0, ...change.key);
}

/** The change that changeWords encoded; undefined for none. */
export function changeFromWords(words: Uint32Array): TreeChange | undefined {
  if (!words[0]) return undefined;
  const [kind, depth, position, different, key0, key1] = words;
  return { kind: kind === 1 ? 'rule' : 'symbol', depth, position, different: different === 1, key: [key0, key1] };
}
