import type { BufferSpec, Plan } from './types.js';
import { spanElements } from './types.js';

/**
 * Static memory plan: activations whose lives do not overlap share a slot buffer. Plans never run at the same time, so all of
 * them share the same slots. Greedy best fit; slots are whole buffers because WebGPU forbids reading and writing one buffer in
 * one dispatch.
 */
export function planMemory(plans: readonly Plan[]): { buffers: BufferSpec[]; slots: Map<string, string> } {
  const slots = new Map<string, string>();
  const sizes: number[] = []; // elements of each slot
  for (const plan of plans) {
    const free = new Set(sizes.keys());
    const byStart = [...lifetimes(plan).values()].sort((a, b) => a.first - b.first || b.elements - a.elements);
    let running: { slot: number; last: number }[] = [];
    for (const lifetime of byStart) {
      // A slot is free again in the call after its last use: one call may not read and write the same buffer.
      for (const held of running) if (held.last < lifetime.first) free.add(held.slot);
      running = running.filter((held) => held.last >= lifetime.first);
      const slot = bestFit(free, sizes, lifetime.elements);
      sizes[slot] = Math.max(sizes[slot] ?? 0, lifetime.elements);
      free.delete(slot);
      running.push({ slot, last: lifetime.last });
      slots.set(lifetime.buffer, slotName(slot));
    }
  }
  const buffers = sizes.map((elements, slot) => ({ name: slotName(slot), elements, dtype: 'f32' as const }));
  return { buffers, slots };
}

interface Lifetime {
  buffer: string;
  elements: number;
  first: number; // index of the first call that touches it
  last: number; // index of the last
}

function lifetimes(plan: Plan): Map<string, Lifetime> {
  const byBuffer = new Map<string, Lifetime>();
  plan.calls.forEach((call, index) => {
    for (const tensor of [...Object.values(call.inputs), ...Object.values(call.outputs)]) {
      if (tensor.role !== 'activation') continue;
      const elements = tensor.offset + spanElements(tensor);
      const lifetime = byBuffer.get(tensor.buffer);
      if (lifetime) {
        lifetime.last = index;
        lifetime.elements = Math.max(lifetime.elements, elements);
      } else byBuffer.set(tensor.buffer, { buffer: tensor.buffer, elements, first: index, last: index });
    }
  });
  return byBuffer;
}

/** The smallest free slot that is large enough for the tensor, else the largest free one (it will grow), else a new one. */
function bestFit(free: Set<number>, sizes: number[], elements: number): number {
  let best = -1;
  for (const slot of free) {
    if (best < 0) {
      best = slot;
      continue;
    }
    const fits = sizes[slot] >= elements;
    const bestFits = sizes[best] >= elements;
    if (fits !== bestFits) {
      if (fits) best = slot;
    } else if (fits ? sizes[slot] < sizes[best] : sizes[slot] > sizes[best]) best = slot;
  }
  return best < 0 ? sizes.length : best;
}

function slotName(slot: number): string {
  return `slot${slot}`;
}
