/** Positions of a sentence in a different order, the same for every network: `grammar.shuffle`. */
import { streamKey } from './threefry.js';
import { UniformStream } from './uniform.js';

/**
 * order[p]: the place in the grammar's sentence of the token at position p; the last token keeps its place, since it is the one
 * predicted. d = s^L tokens; uniform over all (d - 1)! orders.
 */
export function shuffledOrder(d: number, seed: number): Uint32Array {
  const random = new UniformStream(streamKey(seed, 'shuffle'));
  const order = Uint32Array.from({ length: d }, (_, p) => p);
  for (let p = d - 2; p > 0; p--) {
    const q = random.below(p + 1);
    [order[p], order[q]] = [order[q], order[p]];
  }
  return order;
}

/** Rows [count, d] of the grammar in that order; a new array. */
export function inOrder<Rows extends Uint8Array | Uint32Array>(rows: Rows, order: Uint32Array): Rows {
  const d = order.length;
  return rows.map((_, i) => rows[i - (i % d) + order[i % d]]) as Rows;
}

/** The inverse of an order. */
export function inverseOrder(order: Uint32Array): Uint32Array {
  const inverse = new Uint32Array(order.length);
  order.forEach((place, p) => {
    inverse[place] = p;
  });
  return inverse;
}
