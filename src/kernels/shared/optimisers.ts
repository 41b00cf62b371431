/** Common parts of sgd and adamw: the blocks they update and how they are launched. */
import coreSource from '../../../shaders/optimiser_core.wgsl';
import { HYPER_WORDS, hyperWords, PACE_WORDS, paceWords } from '../../core/clock.js';
import { type Dispatch, linearGrid, read, write } from '../../gpu/dispatch.js';
import type { PlanBuilder } from '../../plan/builder.js';
import type { Tensor } from '../../plan/types.js';
import type { Pace } from '../../reference/optimisers.js';
import type { Launch } from './operation.js';
import { bool } from './params.js';
import type { KernelCase } from './types.js';
import { hyper, pace, wordConstants } from './words.js';

/** For a whole block: grads; hyper and pace as in src/core/clock.ts. */
export const updateInputs = { grads: 'R ...elements', hyper: `R ${HYPER_WORDS}`, pace: `R ${PACE_WORDS}` } as const;

/** scaled: gradients contain the loss factor; pace has its inverse, or 0 if the step is skipped. */
export const updateParams = { scaled: bool() };

/** Refuses blocks that are not whole rows of vec4s. */
export function checkBlock(
  { params, elements }: { params: Tensor; elements: number },
  refuse: (why: string) => never,
): void {
  if (elements % 4 !== 0 || params.replicaStride !== elements)
    refuse(`params [${params.shape}]; pass whole rows, a multiple of 4 long`);
}

/** The dispatch that updates params and state (moments of the same shape). */
export function launchUpdate(
  call: {
    inputs: { grads: Tensor; hyper: Tensor; pace: Tensor };
    outputs: { params: Tensor };
    params: { elements: number; scaled: boolean };
    replicas: number;
    launch(o: Launch): Dispatch;
  },
  source: string,
  state: Readonly<Record<string, Tensor>>,
): Dispatch {
  const { grads, ...clocks } = call.inputs;
  const { params } = call.outputs;
  const quads = call.params.elements / 4;
  const moments = Object.entries(state).map(([name, tensor]) => [name, write(tensor, 'vec4f')] as const);
  return call.launch({
    source: wordConstants(hyper, pace) + coreSource + source,
    constants: { SCALED: Number(call.params.scaled) },
    words: { quads, stride: params.replicaStride / 4 },
    bind: { grads: read(grads, 'vec4f'), ...clocks, params: write(params, 'vec4f'), ...Object.fromEntries(moments) },
    workgroups: linearGrid(Math.ceil((quads * call.replicas) / 256)),
  });
}

/** The numbers of one replica in the form that the reference takes. */
export function paceOf(h: Float64Array, now: Float64Array, scaled: boolean): Pace {
  return {
    rate: now[paceWords.rate],
    momentum: h[hyperWords.momentum],
    oneMinusBeta1: h[hyperWords.oneMinusBeta1],
    oneMinusBeta2: h[hyperWords.oneMinusBeta2],
    epsilon: h[hyperWords.epsilon],
    weightDecay: h[hyperWords.weightDecay],
    correction1: now[paceWords.correction1],
    correction2: now[paceWords.correction2],
    unscale: scaled ? now[paceWords.unscale] : 1,
  };
}

/** hyper and pace of a checked case; numbers exact in f32, so that the reference has the same inputs as the GPU. */
export const caseFill = {
  hyper: (i: number) => Math.fround([0.5, 0.9, 0.9, 0.999, 1e-8, 0.1, 0, 0, 0, 0, 1 - 0.9, 1 - 0.999, 0, 0, 0, 0][i]),
  pace: (i: number) => Math.fround([0.25, 0.19, 0.002, 0][i]),
};

/** A case, the same with gradients that contain a factor, and one with a step that is skipped. */
export function scaledToo(
  test: Omit<KernelCase, 'build'> & { build(plan: PlanBuilder, scaled: boolean): void },
): KernelCase[] {
  const withUnscale = (name: string, unscale: number): KernelCase => ({
    ...test,
    name: `${test.name}, ${name}`,
    fill: {
      ...test.fill,
      pace: (i) => (i === paceWords.unscale ? unscale : caseFill.pace(i)),
      grads: (_i, random) => (2 * random() - 1) * 256,
    },
    build: (plan) => test.build(plan, true),
  });
  return [
    { ...test, build: (plan) => test.build(plan, false) },
    withUnscale('scaled', 2 ** -8),
    withUnscale('left out', 0),
  ];
}
