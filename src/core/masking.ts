/**
 * Which tokens of a sentence are masked: a pure function of a key and the sentence's number. Word w of a sentence is word w % 2 of
 * threefry(its key, (w / 2, 0)), its key = threefry(key, its number). Word 0 draws how many, n = least + mulhi(word, most - least + 1);
 * then the places are visited in order: with `left` places remaining, a place is masked if mulhi(its word, left) < the number still to be
 * masked (selection sampling, Knuth, "The art of computer programming", vol. 2, 3.4.2, algorithm S): every set of n places has the same
 * probability. Twins: shaders/mask.wgsl, assembly/kernels/mask.ts.
 */
import { show } from './check.js';
import { InputError } from './errors.js';
import { sentenceLength } from './rules.js';
import { type Key, threefry, threefryInto } from './threefry.js';

/** How many tokens of a sentence are masked, and where. */
export interface MaskLaw {
  least: number; // tokens, >= 1
  most: number; // number of tokens, from `least` to `most` with equal probability
  places: readonly boolean[]; // [T], flags of the tokens that may be masked, among those used
}

/** The words before the T flags that WebAssembly and WGSL read. */
export const MASK = { least: 0, most: 1, places: 2 } as const;

/** u32 [2 + T]. */
export function maskWords({ least, most, places }: MaskLaw): Uint32Array<ArrayBuffer> {
  return Uint32Array.from([least, most, ...places.map(Number)]);
}

interface MaskedTask {
  kind: string;
  context?: number;
  fraction?: number;
  positions?: readonly number[];
}

/**
 * The law of an experiment's task: `positions` are always masked; with `fraction`, that fraction of the T tokens, rounded, at
 * random places; with neither, a number of tokens that each sentence draws from 1 to T. @throws InputError naming the field, its
 * bound and a value that fits
 */
export function maskLaw({ task, grammar }: { task: MaskedTask; grammar: { s: number; L: number } }): MaskLaw {
  const d = sentenceLength(grammar);
  const { context: T = d, fraction, positions } = task;
  const anywhere = new Array<boolean>(T).fill(true);
  if (fraction !== undefined && positions !== undefined)
    throw new InputError('task.fraction: task.positions already says which tokens are masked; pass one of the two');
  if (positions) {
    const first = d - T;
    const places = new Array<boolean>(T).fill(false);
    if (!positions.length)
      throw new InputError(
        `task.positions: got no place, so that nothing would be predicted; pass some of ${first} to ${d - 1}`,
      );
    for (const place of positions) {
      if (!(place >= first && place < d))
        throw new InputError(
          `task.positions: got ${show(place)}; pass places from ${first} to ${d - 1}, counted from the first token of a sentence of s^L = ${d}`,
        );
      if (places[place - first]) throw new InputError(`task.positions: ${place} is named twice; name each place once`);
      places[place - first] = true;
    }
    return { least: positions.length, most: positions.length, places };
  }
  if (fraction === undefined) return { least: 1, most: T, places: anywhere };
  const count = Math.round(fraction * T);
  if (count < 1)
    throw new InputError(
      `task.fraction: ${fraction} of ${T} tokens is none, so that nothing would be predicted; pass at least ${Math.ceil(500 / T) / 1000}`,
    );
  return { least: count, most: count, places: anywhere };
}

/** A law under which every sentence has the same mask. */
export const isFixed = ({ least, most, places }: MaskLaw): boolean =>
  least === most && least === places.filter(Boolean).length;

const words = new Uint32Array(2);

/**
 * The mask of sentence `index` (integer below 2^48): out [T], 1 where the token is masked. law: `maskWords`.
 * @returns the number of masked tokens
 */
export function maskOf(law: ArrayLike<number>, key: Key, index: number, out: Uint8Array): number {
  const own = threefry(key, index >>> 0, Math.floor(index / 2 ** 32));
  let block = -1;
  const word = (w: number) => {
    if (w >>> 1 !== block) {
      block = w >>> 1;
      threefryInto(words, own, block, 0);
    }
    return words[w & 1];
  };
  const { least, most, places } = MASK;
  const count = law[least] + mulhi(word(0), law[most] - law[least] + 1);
  let left = 0;
  for (let i = 0; i < out.length; i++) left += law[places + i];
  let wanted = count;
  for (let i = 0; i < out.length; i++) {
    out[i] = 0;
    if (!law[places + i]) continue;
    if (mulhi(word(1 + i), left) < wanted) {
      out[i] = 1;
      wanted--;
    }
    left--;
  }
  return count;
}

/** The upper 32 bits of the product; y < 2^21. */
const mulhi = (x: number, y: number): number => Math.floor((x * y) / 2 ** 32);
