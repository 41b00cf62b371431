import { threefry } from '../core/threefry.js';

/** Element i of a uniform fill: u32, or a multiple of 2^-24 in [0, 1). Exact. */
export function uniformElement(key: ArrayLike<number>, stream: number, i: number, float: boolean): number {
  const word = threefry([key[0], key[1]], i >>> 1, stream)[i % 2];
  return float ? (word >>> 8) / 2 ** 24 : word;
}
