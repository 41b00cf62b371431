/** The pieces of a training step as plan calls: state tensors, loss, backward pass, optimiser. */
import {
  CLOCK_WORDS,
  clockWords,
  HYPER_WORDS,
  hyperWords,
  PACE_WORDS,
  SCALING_WORDS,
  scalingWords,
  UNIT_EXPONENT,
} from '../core/clock.js';
import type { Experiment } from '../core/experiment.js';
import { initialLossExponent, type Precision } from '../core/precision.js';
import { schedules } from '../core/schedule.js';
import { tasks } from '../core/tasks.js';
import { clip } from '../kernels/clip.js';
import { crossEntropy } from '../kernels/crossEntropy.js';
import { reduce } from '../kernels/reduce.js';
import { tick } from '../kernels/tick.js';
import type { Forward, ModelShape } from '../models/types.js';
import type { PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import { addLogicGradient, type Logic } from './logic.js';
import { type Hyper, optimiserSpec } from './optimisers.js';

/** State that the plan itself advances. */
export interface StepState {
  clock: Tensor; // u32 [R, 8]
  hyper: Tensor; // f32 [R, 16]
  pace: Tensor; // f32 [R, 4]
  scaling?: Tensor; // u32 [R, 4], in half precision: the loss factor
  record: Tensor; // f32 [R, ring, 2]: training loss (nats) and accuracy of the last `ring` steps
}

export function declareState(builder: ProgramBuilder, ring: number, precision: Precision = 'f32'): StepState {
  return {
    clock: builder.persistent('clock', [CLOCK_WORDS], 'u32'),
    hyper: builder.persistent('hyper', [HYPER_WORDS]),
    pace: builder.persistent('pace', [PACE_WORDS]),
    record: builder.persistent('record', [ring, 2]),
    ...(precision === 'f16' && { scaling: builder.persistent('scaling', [SCALING_WORDS], 'u32') }),
  };
}

/** The targets of a batch. */
export interface Targets {
  targets: Tensor; // tensor that contains them
  targetOffset: number; // their offset in a sentence's row
  counts?: Tensor; // if tokens are masked: see crossEntropy
}

/** The labels of a batch. hidden: u32 [R, B, nodes], for a task that predicts them. */
export interface Known {
  tokens: Tensor; // u32 [R, B, d]
  roots: Tensor; // u32 [R, B, 1]
  hidden?: Tensor;
  counts?: Tensor;
}

export function targetsOf(shape: ModelShape, { counts, ...known }: Known): Targets {
  const task = tasks[shape.task];
  return { targets: known[task.targets]!, targetOffset: task.targetOffset(shape), counts };
}

export interface LossOptions extends Targets {
  forward: Forward;
  logic?: Logic; // if task.logic is set
  state: StepState;
}

/** Loss of one batch into the record ring, and the backward pass: all gradients overwritten. */
export function addLossAndGradient(plan: PlanBuilder, { forward, state, logic, ...predicted }: LossOptions): void {
  const { logits } = forward;
  const dLogits = plan.activation('dLogits', logits.shape.slice(1));
  crossEntropy(plan, {
    label: 'loss',
    logits,
    ...predicted,
    clock: state.clock,
    clockWord: clockWords.step,
    scaling: state.scaling,
    dLogits,
    record: state.record,
  });
  if (logic) addLogicGradient(plan, logic, logits, dLogits, state.scaling);
  forward.backward(dLogits);
}

/** The optimiser's moments; they exist once per program and are saved with the parameters. */
export function declareMoments(builder: ProgramBuilder, kind: Experiment['optimiser']['kind']): Tensor[] {
  return optimiserSpec(kind).moments.map((name) => builder.block(name));
}

/**
 * Clips the gradients if the optimiser requires it, advances the clock, and changes the weights. plain: see sgd; must be true of
 * every replica.
 */
export function addUpdate(
  plan: PlanBuilder,
  { kind, clip: maxNorm }: Pick<Experiment['optimiser'], 'kind' | 'clip'>,
  grads: Tensor,
  moments: Tensor[],
  state: StepState,
  batch: number,
  plain = false,
): void {
  const { hyper, clock, pace, scaling } = state;
  const scaled = scaling !== undefined;
  tick(plan, { label: 'pace', batch, hyper, clock, pace, scaling });
  if (maxNorm !== undefined) {
    const sums = plan.activation('norm', [2]);
    reduce(plan, { label: 'gradient norm', input: grads, sums, nonFinite: plan.activation('bad', [1], 'u32') });
    clip(plan, { label: 'clip', block: grads, sums, maxNorm, pace: scaled ? pace : undefined });
  }
  const spec = optimiserSpec(kind);
  const blocks = { params: plan.program.block('params'), grads, hyper, pace, scaled };
  const own = Object.fromEntries(spec.moments.map((name, i) => [name, moments[i]]));
  spec.update(plan, { label: 'update', ...blocks }, own, plain);
}

/** One replica's hyper row [16]. rateFactor: from the model's scaling. steps: planned optimiser steps. */
export function hyperRow(
  { optimiser, schedule }: Pick<Experiment, 'optimiser' | 'schedule'>,
  rateFactor: number,
  steps: number,
): Float64Array {
  const row = new Float64Array(HYPER_WORDS);
  const none: Record<Hyper, number> = { momentum: 0, beta1: 0, beta2: 0, epsilon: 0 };
  const { momentum, beta1, beta2, epsilon } = { ...none, ...optimiserSpec(optimiser.kind).hyper(optimiser) };
  row[hyperWords.rate] = optimiser.rate * rateFactor;
  row[hyperWords.momentum] = momentum;
  row[hyperWords.beta1] = beta1;
  row[hyperWords.beta2] = beta2;
  row[hyperWords.epsilon] = epsilon;
  row[hyperWords.weightDecay] = optimiser.weightDecay;
  row[hyperWords.schedule] = schedules[schedule.kind];
  row[hyperWords.warmup] = schedule.warmup;
  row[hyperWords.steps] = steps;
  row[hyperWords.floor] = schedule.floor;
  row[hyperWords.oneMinusBeta1] = 1 - beta1;
  row[hyperWords.oneMinusBeta2] = 1 - beta2;
  row[hyperWords.decay1] = decayOf(beta1);
  row[hyperWords.decay2] = decayOf(beta2);
  return row;
}

function decayOf(beta: number): number {
  return Math.min(-Math.log(beta), 100); // beta = 0: exp(-100) is far below the rounding of 1
}

/** One replica's row of `scaling` at step 0. rows: predictions per batch; width: units that the readout sees. */
export function scalingRow(rows: number, width: number): Uint32Array {
  const row = new Uint32Array(SCALING_WORDS);
  row[scalingWords.exponent] = UNIT_EXPONENT + initialLossExponent(rows, width);
  return row;
}
