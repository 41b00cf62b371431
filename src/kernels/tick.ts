import source from '../../shaders/tick.wgsl';
import { CLOCK_WORDS, HYPER_WORDS, PACE_WORDS } from '../core/clock.js';
import { ShapeError } from '../core/errors.js';
import { read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import * as reference from '../reference/tick.js';
import { at } from '../wasm/command.js';
import type { KernelCase, KernelSpec } from './types.js';

export interface TickOptions {
  label: string;
  batch: number; // sentences a step
  hyper: Tensor; // f32 [R, 16]
  clock: Tensor; // u32 [R, 8]
  pace: Tensor; // f32 [R, 4]
}

/**
 * Adds the learning rate and bias corrections of the step at hand, after which the counters show the next one. Between the
 * last reader of the clock and the optimiser it costs nothing: it shares no buffer with the backward pass, so both run at once.
 */
export function tick(plan: PlanBuilder, o: TickOptions): void {
  const sizes = [o.clock, o.hyper, o.pace].map(elementsPerReplica);
  if (sizes.join() !== [CLOCK_WORDS, HYPER_WORDS, PACE_WORDS].join())
    throw new ShapeError(`tick (${o.label}): clock, hyper, pace have ${sizes} words; pass 8, 16, 4`);
  const { hyper, clock, pace } = o;
  plan.call({ op: 'tick', label: o.label, inputs: { hyper }, outputs: { clock, pace }, params: { batch: o.batch } });
}

export const tickKernel: KernelSpec = {
  op: 'tick',
  reference(call, views) {
    for (let r = 0; r < call.outputs.clock.shape[0]; r++)
      reference.tick(
        Number(call.params.batch),
        views.clock.data.subarray(r * views.clock.stride) as Uint32Array,
        views.hyper.data.subarray(r * views.hyper.stride) as Float64Array,
        views.pace.data.subarray(r * views.pace.stride) as Float64Array,
      );
  },
  webgpu(call) {
    const { clock, pace } = call.outputs;
    const replicas = clock.shape[0];
    return [
      {
        shader: 'tick',
        source,
        uniforms: [replicas, Number(call.params.batch)],
        bindings: [read(call.inputs.hyper), write(clock), write(pace)],
        workgroups: [Math.ceil(replicas / 64), 1, 1],
      },
    ];
  },
  wasm(call) {
    const { clock, pace } = call.outputs;
    const words = [at(call.inputs.hyper), at(clock), at(pace), clock.shape[0], Number(call.params.batch)];
    return [{ kernel: 'tick', words, parts: 1 }];
  },
  cost: (call) => ({ flops: 20 * call.outputs.clock.shape[0], bytes: 160 * call.outputs.clock.shape[0] }),
  cases: [
    tickCase('constant', 0, 0, 9),
    tickCase('cosine after warm-up', 1, 5, 90),
    tickCase('inside warm-up', 1, 50, 90),
    tickCase('past the end', 1, 5, 20),
    ...[0, 1, 9, 999, 99_998, 16_777_216, 2 ** 31 - 2].map((step) => correctionCase(step)),
  ],
};

/** Corrections of slow and fast averages at one step, right to f32. */
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
    // t and its product with the decay are rounded, and a correction is no further off than its exponent, relatively; then the series.
    rtol: 4 * 2 ** -24,
    atol: 0,
    build(plan) {
      replica = -1;
      base.build(plan);
    },
  };
}

function tickCase(name: string, schedule: number, warmup: number, steps: number): KernelCase {
  const hyper = [0.5, 0.9, 0.9, 0.999, 1e-8, 0.1, schedule, warmup, steps, 0.1, 1 - 0.9, 1 - 0.999, 0.105, 1e-3, 0, 0];
  return {
    name,
    replicas: 3,
    fill: {
      hyper: (i) => Math.fround(hyper[i]),
      pace: (i) => Math.fround([0.25, 0.19, 0.002, 0][i]),
      clock: (i) => [31, 2 ** 32 - 3, 7, 1, 0, 0, 0, 0][i], // the sample counter wraps into its high word
    },
    rtol: 2 ** -20, // the cosine near its root and the f32 progress
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
