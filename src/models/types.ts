import type { Experiment } from '../core/experiment.js';
import type { Precision } from '../core/precision.js';
import { sentenceLength } from '../core/rules.js';
import { type TaskKind, tasks } from '../core/tasks.js';
import type { PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import type { Net } from './net.js';

/** The sizes that a model needs, derived from an experiment. */
export interface ModelShape {
  v: number; // vocabulary
  symbols: number; // symbols that a network reads: the vocabulary, followed, if tokens are masked, by the symbol in their place
  s: number; // branching factor
  L: number; // depth of the grammar
  d: number; // tokens per sentence in memory, s^L
  firstToken: number; // first token that is used
  length: number; // T, tokens used, including the predicted one
  classes: number; // outputs: v, n for root classification, or for `parse` the larger of the two
  task: TaskKind;
  precision?: Precision; // default f32
}

/** A part of a parameter with its name and shape on disk, as in the PyTorch reference. */
export interface DiskPart {
  name: string;
  shape: readonly number[];
  /** Disk element [i, j, ...] is element start + i * strides[0] + j * strides[1] + ... of the parameter. */
  start: number;
  strides: readonly number[];
}

export type Init = 'normal' | 'zeros' | 'ones' | { uniform: number }; // uniform on (-bound, bound)

export interface ParameterSpec {
  name: string;
  shape: readonly number[]; // without the replica dimension
  init: Init;
  disk: readonly DiskPart[];
}

/** A hidden layer as measures see it. */
export interface HiddenLayer {
  name: string;
  activation: Tensor; // [R, B, positions, units], after its non-linearity
  positions: number;
  units: number;
}

/** The result of a forward pass. */
export interface Outcome {
  logits: Tensor; // [R, B, classes], [R, B, T - 1, v] for `auto`, [R, B, T, v] for `mask`, or [R, B, nodes, classes] for `parse`
  hidden: HiddenLayer[]; // in order; a measure picks by name
}

export interface Forward extends Outcome {
  /** Adds the backward calls: every parameter's gradient from dLogits. */
  backward(dLogits: Tensor): void;
}

export interface ForwardOptions {
  tokens: Tensor; // u32 [R, B, d]
  batch: number;
  training: boolean; // dropout on
  dropoutKeys?: Tensor; // u32 [R, 2]
  dropoutLayer?: number; // number of the first dropout of this pass within a step; default 0
  clock?: Tensor; // u32 [R, 8]
  scaling?: Tensor; // u32 [R, 4], set if a half-precision factor does not fit
  parametersLast?: boolean; // gradients of parameters are computed after all others
}

/** A model of one shape: its parameters, and the calls of its passes. */
export interface Model {
  readonly parameters: readonly ParameterSpec[];
  forward(plan: PlanBuilder, options: ForwardOptions): Forward;
}

export interface ModelSpec {
  /** The whole model: parameters are declared where they are used. @throws InputError naming the field that does not fit the shape. */
  forward(net: Net, config: Experiment['model']): Outcome;
  /** The factor on the base learning rate: w in mean-field scaling, else 1. */
  rateFactor(config: Experiment['model']): number;
}

export function modelShape(experiment: Pick<Experiment, 'grammar' | 'task' | 'precision'>): ModelShape {
  const { v, s, L, n = v } = experiment.grammar;
  const d = sentenceLength({ s, L });
  const length = experiment.task.context ?? d;
  const task = experiment.task.kind;
  return {
    v,
    symbols: v + Number(tasks[task].masks),
    s,
    L,
    d,
    firstToken: d - length,
    length,
    classes: tasks[task].classes({ v, n }),
    task,
    precision: experiment.precision,
  };
}

/** The parameters of the operation `mask` that follow from a shape. */
export const maskingOf = ({ v, firstToken }: ModelShape) => ({ symbol: v, firstToken });

export function declare(builder: ProgramBuilder, parameters: readonly ParameterSpec[]): void {
  for (const { name, shape } of parameters) builder.declareParameter(name, shape);
}

/** A parameter stored on disk as in memory. */
export function asIs(
  name: string,
  shape: readonly number[],
  init: ParameterSpec['init'],
  diskName = name,
): ParameterSpec {
  return { name, shape, init, disk: [{ name: diskName, shape, start: 0, strides: rowMajor(shape) }] };
}

/** Elements between neighbours along each axis of a packed tensor. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}
