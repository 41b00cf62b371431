import { threefry } from '../core/threefry.js';

/** float64 reference of dropout, one replica; which elements are kept is exact, see shaders/dropout.wgsl. */
export function dropout(
  elements: number,
  probability: number,
  key: ArrayLike<number>, // two u32
  step: number,
  layer: number,
  input: Float64Array,
  output: Float64Array,
): void {
  const layerKey = threefry([key[0], key[1]], step, layer);
  const threshold = dropThreshold(probability);
  for (let i = 0; i < elements; i++) {
    const word = threefry(layerKey, i >>> 1, 0)[i % 2];
    output[i] = word >= threshold ? input[i] / (1 - probability) : 0;
  }
}

/** An element is dropped if its random word is below this. */
export function dropThreshold(probability: number): number {
  return Math.floor(probability * 2 ** 32);
}
