/** `grammar.shuffle` in a program: sentences in the order in which a network reads them. */
import { lookup } from '../kernels/lookup.js';
import { type PlanBuilder, type ProgramBuilder, reshape } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import type { Member } from './members.js';
import { networkOrder } from './wiring.js';

/** Adds a plan's calls that put tokens, u32 [R, B, d], in the order of each replica. @returns tokens as they are read, [R, B, d] */
export type Shuffle = (plan: PlanBuilder, tokens: Tensor) => Tensor;

/** undefined: nothing is shuffled. constants: receives the orders, once for each number of sentences. */
export function declareShuffle(
  builder: ProgramBuilder,
  members: readonly Member[],
  constants: { tensor: Tensor; data: Uint32Array | Float32Array }[],
): Shuffle | undefined {
  const orders = members.map(networkOrder);
  if (!orders[0]) return undefined;
  const d = orders[0].length;
  const known = new Map<number, Tensor>();
  const placesOf = (batch: number): Tensor => {
    const places = known.get(batch) ?? builder.persistent(`order/${batch}`, [batch * d], 'u32');
    if (known.has(batch)) return places;
    known.set(batch, places);
    const size = batch * d;
    const data = new Uint32Array(size * orders.length);
    orders.forEach((order, r) => {
      for (let i = 0; i < size; i++) data[r * size + i] = i - (i % d) + order![i % d];
    });
    constants.push({ tensor: places, data });
    return places;
  };
  return (plan, tokens) => {
    const batch = tokens.shape[1];
    const shown = plan.activation('shown', [batch, d], 'u32');
    const flat = (tensor: Tensor) => reshape(tensor, [batch * d]);
    lookup(plan, { label: 'order', table: flat(tokens), index: placesOf(batch), output: flat(shown) });
    return shown;
  };
}
