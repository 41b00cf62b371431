import { threefry } from '../../src/core/threefry.js';

/** `count` numbers between -1/2 and 1/2 that are exact in f32. */
export function uniforms(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (threefry([seed, 99], i, 0)[0] >>> 8) / 2 ** 24 - 0.5);
}
