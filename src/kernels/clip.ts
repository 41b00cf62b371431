import source from '../../shaders/clip.wgsl';
import { PACE_WORDS, paceWords } from '../core/clock.js';
import { linearGrid, read } from '../gpu/dispatch.js';
import * as reference from '../reference/clip.js';
import { partsFor } from '../wasm/command.js';
import { defineOperation } from './shared/operation.js';
import { f32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';
import { pace as paceNames, wordConstants } from './shared/words.js';

/**
 * block = block * min(1, maxNorm / norm) with a separate norm for each replica; in place. sums: from reduce over the same block. pace:
 * if given, the block contains the loss factor, of which pace has the inverse; the norm is computed without it.
 */
export const clip = defineOperation({
  name: 'clip',
  inputs: { sums: 'R 2', pace: `R ${PACE_WORDS} ?` },
  outputs: { block: 'R ...elements' },
  params: { maxNorm: f32({ above: 0 }) },
  reference: ({ sums, block, pace }, { elements, maxNorm }) =>
    reference.clip(elements, maxNorm, sums[1] * (pace ? pace[paceWords.unscale] ** 2 : 1), block),
  webgpu: ({ inputs: { sums, pace }, outputs: { block }, params: { elements }, replicas, launch }) => [
    launch({
      source: wordConstants(paceNames) + source,
      constants: { SCALED: Number(!!pace) },
      bind: { sums, pace: read(pace), block },
      workgroups: linearGrid(Math.ceil((elements * replicas) / 64)),
    }),
  ],
  wasm: { launch: ({ params: { elements }, replicas }) => [{ parts: partsFor(replicas * elements) }] },
  cost: ({ elements }) => ({ flops: elements, bytes: 8 * elements }),
  cases: () => [
    { name: 'over the bound', ...clipCase(3, [7, 13], 1.5, 40) },
    { name: 'under the bound', ...clipCase(2, [9], 10, 99) },
    { name: 'infinite norm', ...clipCase(2, [9], 1, Number.POSITIVE_INFINITY) },
    { name: 'with the factor of a loss', ...clipCase(2, [7, 13], 1.5, 40 * 2 ** 16, 2 ** -8) },
    { name: 'one element', ...clipCase(2, [1], 0.01, 1e-3) },
  ],
});

export function clipCase(
  replicas: number,
  shape: number[],
  maxNorm: number,
  squares: number,
  unscale?: number,
): Omit<KernelCase, 'name'> {
  return {
    replicas,
    fill: { sums: (i) => (i === 1 ? squares : 0), pace: (i) => (i === paceWords.unscale ? unscale! : 0.25) },
    rtol: 2 ** -21, // a square root, a division (2.5 ulp in WGSL) and a product
    atol: 0,
    build(plan) {
      const p = plan.program;
      const pace = unscale === undefined ? undefined : p.persistent('pace', [PACE_WORDS]);
      clip(plan, {
        label: 'case',
        block: p.persistent('block', shape),
        sums: p.persistent('sums', [2]),
        maxNorm,
        pace,
      });
    },
  };
}
