import { threefry } from '../../src/core/threefry.js';

/** `count` numbers between -1/2 and 1/2 that are exact in f32. */
export function uniforms(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (threefry([seed, 99], i, 0)[0] >>> 8) / 2 ** 24 - 0.5);
}

/** Numbers in [0, 1), one after the other. */
export function randomFrom(seed: number): () => number {
  let i = 0;
  return () => threefry([seed, 98], i++, 0)[0] / 2 ** 32;
}
