/** What unfold and fold share: sizes, checks and cases. */
import { ShapeError } from '../core/errors.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { ParamValue, Tensor } from '../plan/types.js';
import type { WindowShape } from '../reference/unfold.js';
import { at, partsFor, stride, type WasmCommand } from '../wasm/command.js';
import { expectRank, expectShape, expectWhole } from './shapes.js';
import type { KernelCase } from './types.js';

export interface WindowOptions {
  filter: number; // tokens a window
  stride?: number; // default: filter
  padding?: number; // zeros on either side, default 0
}

export interface WindowParams extends WindowShape, Record<string, ParamValue> {}

/** Windows that fit: floor((tokens + 2 padding - filter) / stride) + 1. */
export function windowCount(tokens: number, { filter, stride = filter, padding = 0 }: WindowOptions): number {
  return Math.floor((tokens + 2 * padding - filter) / stride) + 1;
}

/** Checks sentences [R, B, T, C] against their windows [R, B, T', filter C]. */
export function windowParams(
  op: string,
  label: string,
  o: WindowOptions,
  sentences: [name: string, tensor: Tensor],
  windows: [name: string, tensor: Tensor],
): WindowParams {
  const { filter, stride = filter, padding = 0 } = o;
  expectWhole(op, label, { filter, stride });
  expectWhole(op, label, { padding }, 0);
  expectRank(op, label, ...sentences, 'R, B, T, C');
  const [replicas, batch, tokens, channels] = sentences[1].shape;
  const count = windowCount(tokens, o);
  if (count < 1)
    throw new ShapeError(
      `${op} (${label}): a filter of ${filter} does not fit ${sentences[0]} [${sentences[1].shape}], padding ${padding}`,
    );
  expectShape(op, label, ...sentences, sentences[1].shape);
  expectShape(op, label, ...windows, [replicas, batch, count, filter * channels]);
  return { batch, tokens, channels, windows: count, filter, stride, padding };
}

export interface WindowCase extends WindowOptions {
  batch: number;
  tokens: number;
  channels: number;
}

export function windowUniforms(s: WindowShape, replicas: number): number[] {
  return [s.batch, s.tokens, s.channels, s.windows, s.filter, s.stride, s.padding, replicas];
}

/** The command of assembly/kernels/unfold.ts or fold.ts. */
export function windowCommand(
  kernel: string,
  s: WindowShape,
  sentences: Tensor,
  windows: Tensor,
  accumulate = false,
): WasmCommand {
  const tensors = [sentences, windows];
  const { batch, tokens, channels, filter, padding } = s;
  const replicas = sentences.shape[0];
  return {
    kernel,
    words: [
      ...[...tensors.map(at), ...tensors.map(stride), replicas, batch, tokens, channels],
      ...[s.windows, filter, s.stride, padding, Number(accumulate)],
    ],
    parts: partsFor((replicas * batch * s.windows * filter * channels) / 2),
  };
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
