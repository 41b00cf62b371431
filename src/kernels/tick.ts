import source from '../../shaders/tick.wgsl';
import { CLOCK_WORDS, HYPER_WORDS, PACE_WORDS, SCALING_WORDS } from '../core/clock.js';
import { unroll } from '../gpu/unroll.js';
import * as reference from '../reference/tick.js';
import { defineOperation } from './shared/operation.js';
import { u32 } from './shared/params.js';
import type { KernelCase } from './shared/types.js';
import { clock, hyper, pace, scaling as scalingWords, wordConstants } from './shared/words.js';

/**
 * The learning rate and bias corrections of the current step, after which the counters show the next one. Between the last reader of the
 * clock and the optimiser it costs nothing: it shares no buffer with the backward pass, so both run at once. batch: sentences per step.
 * scaling: with half-precision factors. pace receives the inverse of the loss factor, or 0 if a factor did not fit: that step is skipped
 * and counted, and the loss factor halved.
 */
export const tick = defineOperation({
  name: 'tick',
  inputs: { hyper: `R ${HYPER_WORDS}` },
  outputs: { clock: `u32 R ${CLOCK_WORDS}`, pace: `R ${PACE_WORDS}`, scaling: `u32 R ${SCALING_WORDS} ?` },
  params: { batch: u32({ least: 1 }) },
  reference: ({ hyper, clock, pace, scaling }, { batch }) => reference.tick(batch, clock, hyper, pace, scaling),
  webgpu: ({ outputs: { scaling }, replicas, launch }) => [
    launch({
      source: wordConstants(clock, hyper, pace, scalingWords) + unroll(source, { SCALED: Number(!!scaling) }),
      workgroups: [Math.ceil(replicas / 64), 1, 1],
    }),
  ],
  wasm: { launch: () => [{ parts: 1 }] },
  cost: () => ({ flops: 20, bytes: 160 }),
  cases: () => [
    tickCase('constant', 0, 0, 9),
    tickCase('cosine after warm-up', 1, 5, 90),
    tickCase('inside warm-up', 1, 50, 90),
    tickCase('past the end', 1, 5, 20),
    scaledCase('factors that fit', [0, 140, 3, 0]),
    scaledCase('a factor that does not fit', [1, 140, 3, 0]),
    scaledCase('the smallest factor', [1, 1, 3, 0]),
    ...[0, 1, 9, 999, 99_998, 16_777_216, 2 ** 31 - 2].map((step) => correctionCase(step)),
  ],
});

function scaledCase(name: string, words: readonly number[]): KernelCase {
  const base = tickCase(name, 0, 0, 9);
  return {
    ...base,
    fill: { ...base.fill, scaling: (i) => words[i] },
    build(plan) {
      const p = plan.program;
      tick(plan, {
        ...{ label: 'case', batch: 128, hyper: p.persistent('hyper', [HYPER_WORDS]) },
        clock: p.persistent('clock', [CLOCK_WORDS], 'u32'),
        pace: p.persistent('pace', [PACE_WORDS]),
        scaling: p.persistent('scaling', [SCALING_WORDS], 'u32'),
      });
    },
  };
}

/** Corrections of slow and fast averages at one step, correct to f32. */
function correctionCase(step: number): KernelCase {
  const betas = [
    [0.9, 0.999],
    [0.9999, 0.99999],
    [0.5, 0.98],
    [0, 0.7],
  ];
  let replica = -1;
  const base = tickCase(`corrections of step ${step + 1}`, 0, 0, 9);
  return {
    ...base,
    replicas: betas.length,
    fill: {
      ...base.fill,
      clock: (i) => (i === 0 ? step : 0),
      hyper(i) {
        if (i === 0) replica++;
        if (i !== 12 && i !== 13) return i === 0 ? 0.5 : 0; // a constant rate
        return Math.fround(Math.min(100, -Math.log(betas[replica % betas.length][i - 12])));
      },
    },
    // t and its product with the decay are rounded; the relative error of a correction is at most that of its exponent; then that of
    // the series.
    rtol: 4 * 2 ** -24,
    atol: 0,
    build(plan) {
      replica = -1;
      base.build(plan);
    },
  };
}

function tickCase(name: string, schedule: number, warmup: number, steps: number): KernelCase {
  const values = [0.5, 0.9, 0.9, 0.999, 1e-8, 0.1, schedule, warmup, steps, 0.1, 1 - 0.9, 1 - 0.999, 0.105, 1e-3, 0, 0];
  return {
    name,
    replicas: 3,
    fill: {
      hyper: (i) => Math.fround(values[i]),
      pace: (i) => Math.fround([0.25, 0.19, 0.002, 0][i]),
      clock: (i) => [31, 2 ** 32 - 3, 7, 1, 0, 0, 0, 0][i], // the sample counter wraps into its high word
    },
    rtol: 2 ** -20, // the cosine near its zero and the f32 progress
    atol: 2 ** -22,
    build(plan) {
      const p = plan.program;
      tick(plan, {
        label: 'case',
        batch: 128,
        hyper: p.persistent('hyper', [HYPER_WORDS]),
        clock: p.persistent('clock', [CLOCK_WORDS], 'u32'),
        pace: p.persistent('pace', [PACE_WORDS]),
      });
    },
  };
}
