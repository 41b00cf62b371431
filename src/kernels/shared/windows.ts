/** Common parts of unfold and fold: sizes, checks and cases. */
import type { PlanBuilder } from '../../plan/builder.js';
import type { Tensor } from '../../plan/types.js';
import type { WindowShape } from '../../reference/unfold.js';
import { partsFor } from '../../wasm/command.js';
import { u32 } from './params.js';
import type { Cost, KernelCase } from './types.js';

export interface WindowOptions {
  filter: number; // tokens per window
  stride?: number; // default: filter
  padding?: number; // zeros on either side, default 0
}

export const windowParams = {
  filter: u32({ least: 1 }),
  stride: u32({ optional: true, least: 1 }), // default: filter
  padding: u32({ default: 0 }),
};

/** Windows that fit: floor((tokens + 2 padding - filter) / stride) + 1; at least 0. */
export function windowCount(tokens: number, { filter, stride = filter, padding = 0 }: WindowOptions): number {
  return Math.max(0, Math.floor((tokens + 2 * padding - filter) / stride) + 1);
}

export const windowSizes = {
  stride: ({ stride, filter }: WindowOptions) => stride ?? filter,
  windows: ({ tokens, ...o }: WindowOptions & { tokens: number }) => windowCount(tokens, o),
};

/** Refuses a filter that fits nowhere. sentences: the tensor that is not divided into windows. */
export function checkWindows<Name extends string>(sentences: Name) {
  return (o: Readonly<Record<Name, Tensor>> & WindowShape, refuse: (why: string) => never): void => {
    if (o.windows < 1)
      refuse(`a filter of ${o.filter} does not fit ${sentences} [${o[sentences].shape}], padding ${o.padding}`);
  };
}

/** Every element of both tensors is read or written once. */
export function windowCost(s: WindowShape): Cost {
  return { flops: 0, bytes: 4 * s.batch * s.channels * (s.tokens + s.windows * s.filter) };
}

export function windowParts({ batch, windows, filter, channels }: WindowShape, replicas: number): number {
  return partsFor((replicas * batch * windows * filter * channels) / 2);
}

export interface WindowCase extends WindowOptions {
  batch: number;
  tokens: number;
  channels: number;
}

type Build = (plan: PlanBuilder, sentences: Tensor, windows: Tensor, options: WindowOptions) => void;

export function windowCases(build: Build): KernelCase[] {
  const list: readonly [string, WindowCase][] = [
    ['filter 3, padding 1', { batch: 3, tokens: 11, channels: 5, filter: 3, stride: 1, padding: 1 }],
    ['filter 4, stride 3, padding 2', { batch: 2, tokens: 14, channels: 7, filter: 4, stride: 3, padding: 2 }],
    ['filter = stride', { batch: 2, tokens: 9, channels: 4, filter: 3 }],
    ['stride over filter', { batch: 3, tokens: 10, channels: 3, filter: 2, stride: 4 }],
    ['filter longer than the sentence', { batch: 2, tokens: 2, channels: 3, filter: 5, stride: 1, padding: 2 }],
    ['size 1 everywhere', { batch: 1, tokens: 1, channels: 1, filter: 1 }],
  ];
  return list.map(([name, shape]) => ({ name, ...windowCase(build, 2, shape) }));
}

export function windowCase(build: Build, replicas: number, shape: WindowCase): Omit<KernelCase, 'name'> {
  const { batch, tokens, channels, ...options } = shape;
  return {
    replicas,
    rtol: 2 ** -22,
    atol: shape.filter * 2 ** -22, // at most `filter` normal numbers are added
    build(plan) {
      const p = plan.program;
      const sentences = p.persistent('sentences', [batch, tokens, channels]);
      const windows = p.persistent('windows', [batch, windowCount(tokens, options), options.filter * channels]);
      build(plan, sentences, windows, options);
    },
  };
}
