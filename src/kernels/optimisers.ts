/** What sgd and adamw share: the blocks they update and how they are launched. */
import coreSource from '../../shaders/optimiser_core.wgsl';
import { hyperWords, paceWords } from '../core/clock.js';
import { ShapeError } from '../core/errors.js';
import { type Dispatch, linearGrid, read, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type Tensor } from '../plan/types.js';
import type { Pace } from '../reference/optimisers.js';
import { at, partsFor, stride, type WasmCommand } from '../wasm/command.js';
import type { HostViews } from './types.js';

export interface OptimiserOptions {
  label: string;
  params: Tensor; // [R, P], updated in place
  grads: Tensor; // [R, P]
  hyper: Tensor; // [R, 16], src/core/clock.ts
  pace: Tensor; // [R, 4]
}

/** Adds one update of the whole block. state: moments of the same shape, updated in place. */
export function addUpdate(
  plan: PlanBuilder,
  op: string,
  o: OptimiserOptions,
  state: Record<string, Tensor>,
  params: Call['params'] = {},
): void {
  for (const [name, tensor] of Object.entries({ grads: o.grads, ...state }))
    if (elementsPerReplica(tensor) !== elementsPerReplica(o.params))
      throw new ShapeError(`${op} (${o.label}): ${name} [${tensor.shape}] and params [${o.params.shape}] differ`);
  if (elementsPerReplica(o.params) % 4 !== 0 || o.params.replicaStride !== elementsPerReplica(o.params))
    throw new ShapeError(`${op} (${o.label}): params [${o.params.shape}]; pass whole rows, a multiple of 4 long`);
  plan.call({
    op,
    label: o.label,
    inputs: { grads: o.grads, hyper: o.hyper, pace: o.pace },
    outputs: { params: o.params, ...state },
    params,
  });
}

export function lowerUpdate(call: Call, shader: string, source: string): Dispatch[] {
  const { params, ...state } = call.outputs;
  const { grads, hyper, pace } = call.inputs;
  const quads = elementsPerReplica(params) / 4;
  const replicas = params.shape[0];
  return [
    {
      shader,
      source: coreSource + source,
      uniforms: [quads, replicas, params.replicaStride / 4],
      bindings: [read(grads), read(hyper), read(pace), write(params), ...Object.values(state).map((t) => write(t))],
      workgroups: linearGrid(Math.ceil((quads * replicas) / 256)),
    },
  ];
}

/** One command over the whole block. */
export function wasmUpdate(call: Call, kernel: string): WasmCommand[] {
  const { params, ...state } = call.outputs;
  const { grads, hyper, pace } = call.inputs;
  const [state1, state2] = Object.values(state);
  const elements = elementsPerReplica(params);
  return [
    {
      kernel,
      words: [
        ...[params, grads, state1, state2, hyper, pace].map(at),
        ...[stride(hyper), stride(pace), params.shape[0], elements],
      ],
      parts: partsFor(2 * params.shape[0] * elements),
    },
  ];
}

/** The numbers of one replica as the reference takes them. */
export function paceOf(views: HostViews, r: number): Pace {
  const h = views.hyper.data.subarray(r * views.hyper.stride);
  const s = views.pace.data.subarray(r * views.pace.stride);
  return {
    rate: s[paceWords.rate],
    momentum: h[hyperWords.momentum],
    oneMinusBeta1: h[hyperWords.oneMinusBeta1],
    oneMinusBeta2: h[hyperWords.oneMinusBeta2],
    epsilon: h[hyperWords.epsilon],
    weightDecay: h[hyperWords.weightDecay],
    correction1: s[paceWords.correction1],
    correction2: s[paceWords.correction2],
  };
}

export function row(views: HostViews, name: string, r: number): Float64Array {
  return views[name].data.subarray(r * views[name].stride) as Float64Array;
}

/** hyper and pace of a checked case; f32-exact numbers, so that the reference sees what the GPU sees. */
export const caseFill = {
  hyper: (i: number) => Math.fround([0.5, 0.9, 0.9, 0.999, 1e-8, 0.1, 0, 0, 0, 0, 1 - 0.9, 1 - 0.999, 0, 0, 0, 0][i]),
  pace: (i: number) => Math.fround([0.25, 0.19, 0.002, 0][i]),
};
