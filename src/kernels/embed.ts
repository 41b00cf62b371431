import forwardSource from '../../shaders/embed.wgsl';
import coreSource from '../../shaders/embed_core.wgsl';
import memorySource from '../../shaders/embed_memory.wgsl';
import { ShapeError } from '../core/errors.js';
import { type AdapterTraits, type Dispatch, f32, read, variantOf, write } from '../gpu/dispatch.js';
import { constantLines, unroll } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import { type Call, elementsPerReplica, type ParamValue, type Tensor } from '../plan/types.js';
import * as reference from '../reference/embed.js';
import { at, partsFor, stride, type WasmWord } from '../wasm/command.js';
import { type CaseShape, embedShapes } from './embed.cases.js';
import type { HostViews, KernelCase, KernelSpec } from './types.js';

export interface EmbedOptions {
  label: string;
  tokens: Tensor; // [R, B, d] u32 < v
  weight: Tensor; // [R, filter * v, w], or [R, T', filter * v, w] when local
  position?: Tensor; // [R, T', w] (or [R, w] for all windows), added after scaling
  positionInside?: boolean; // added before scaling instead
  output: Tensor; // [R, B, T', w]
  v: number;
  filter: number; // tokens a window
  stride?: number; // default: filter
  padding?: number;
  firstToken?: number; // first token used
  length?: number; // tokens used; default: all from firstToken on
  whitened: boolean;
  masked?: number; // index among the used tokens that is replaced by the constant vector; default none
  local?: boolean; // an own filter for every window
  scale: number;
  relu?: boolean;
}

/**
 * Adds the first layer: output = relu(scale * x W + position) or relu(scale * (x W + position)), x the one-hot (whitened or not) windows of the tokens.
 * Overwrites output. @throws ShapeError naming the tensors that do not fit.
 */
export function embed(plan: PlanBuilder, o: EmbedOptions): void {
  const params = shapeOf('embed', o, o.output);
  const inputs: Record<string, Tensor> = { tokens: o.tokens, weight: o.weight };
  if (o.position) {
    const rows = elementsPerReplica(o.position) / params.width;
    if (rows !== params.windows && rows !== 1)
      throw new ShapeError(
        `embed (${o.label}): position [${o.position.shape}]; pass [R, ${params.windows}, ${params.width}] or [R, ${params.width}]`,
      );
    inputs.position = o.position;
  }
  plan.call({ op: 'embed', label: o.label, inputs, outputs: { output: o.output }, params: { ...params } });
}

export const embedKernel: KernelSpec = {
  op: 'embed',
  reference(call: Call, views: HostViews) {
    const s = call.params as unknown as EmbedParams;
    for (let r = 0; r < call.outputs.output.shape[0]; r++)
      reference.embed(
        s,
        s.batch,
        views.tokens.data.subarray(r * views.tokens.stride) as Uint32Array,
        views.weight.data.subarray(r * views.weight.stride) as Float64Array,
        views.position?.data.subarray(r * views.position.stride) as Float64Array | undefined,
        call.inputs.position ? elementsPerReplica(call.inputs.position) / s.width : 0,
        views.output.data.subarray(r * views.output.stride) as Float64Array,
      );
  },
  webgpu: lower,
  wasm(call: Call) {
    const s = call.params as unknown as EmbedParams;
    const { tokens, weight, position } = call.inputs;
    const { output } = call.outputs;
    const work = (output.shape[0] * s.batch * s.windows * s.width * (s.filter + 2)) / 4;
    return [
      {
        kernel: 'embed',
        words: wasmWords(s, { tokens, weight, position, output }),
        parts: partsFor(work),
        threadBytes: 4 * (s.width * (s.filter + 1) + s.filter),
      },
    ];
  },
  cost(call: Call) {
    const s = call.params as unknown as EmbedParams;
    const outputs = call.outputs.output.shape[0] * s.batch * s.windows * s.width;
    const weights = call.inputs.weight.shape[0] * elementsPerReplica(call.inputs.weight);
    return { flops: 2 * outputs * s.filter, bytes: 4 * (outputs + weights) };
  },
  cases: embedShapes.map(([name, options]) => embedCase(name, options)),
};

/** What the forward and the backward call share. */
export interface EmbedParams extends reference.EmbedShape, Record<string, ParamValue> {
  batch: number;
}

/** Checks tokens, weight and [R, B, T', w] against each other. */
export function shapeOf(op: string, o: Omit<EmbedOptions, 'output'>, output: Tensor): EmbedParams {
  const [, batch, tokenRow] = o.tokens.shape;
  const [, outBatch, windows, width] = output.shape;
  const { v, filter, stride = filter, padding = 0, firstToken = 0, masked = -1, local = false } = o;
  const length = o.length ?? tokenRow - firstToken;
  const fail = (what: string) => {
    throw new ShapeError(`${op} (${o.label}): ${what}`);
  };
  if (o.tokens.dtype !== 'u32') fail(`tokens are ${o.tokens.dtype}; pass u32`);
  if (outBatch !== batch) fail(`tokens [${o.tokens.shape}] and output [${output.shape}] differ in batch`);
  if (firstToken < 0 || firstToken + length > tokenRow)
    fail(`tokens ${firstToken} to ${firstToken + length} of rows of ${tokenRow}`);
  if ((windows - 1) * stride + filter > length + 2 * padding || windows < 1)
    fail(`${windows} windows of ${filter}, stride ${stride}, padding ${padding} do not fit ${length} tokens`);
  const wanted = (local ? windows : 1) * filter * v * width;
  if (elementsPerReplica(o.weight) !== wanted)
    fail(`weight [${o.weight.shape}]; pass [R, ${local ? `${windows}, ` : ''}${filter} * ${v}, ${width}]`);
  if (!(v >= 2)) fail(`v = ${v}; the vocabulary needs at least 2 symbols`);
  return {
    batch,
    windows,
    length,
    width,
    v,
    filter,
    stride,
    padding,
    firstToken,
    tokenRow,
    masked,
    local,
    whitened: o.whitened,
    exactInputs: false,
    scale: o.scale,
    positionInside: o.positionInside ?? false,
    relu: o.relu ?? false,
  };
}

/** The parameter words of assembly/kernels/embed.ts; weight: dWeight when going backward. */
export function wasmWords(s: EmbedParams, tensors: Record<string, Tensor | undefined>): WasmWord[] {
  const { tokens, weight, position, output, dOutput } = tensors;
  return [
    ...[tokens, weight, position, output, dOutput].map(at),
    ...[tokens, weight, position, output, dOutput].map(stride),
    ...[weight!.shape[0], s.batch, s.windows, s.length, s.width, s.v, s.filter, s.stride, s.padding],
    ...[s.firstToken, s.tokenRow, s.masked, Number(s.local), Number(s.whitened), Number(s.relu), { f32: s.scale }],
    ...[s.whitened ? (1 - 1 / s.v) ** -0.5 : 1, s.whitened ? 1 / s.v : 0, s.v ** -0.5].map((f) => ({ f32: f })),
    position ? elementsPerReplica(position) / s.width : 0,
    Number(s.positionInside),
  ];
}

/** The overrides that both shaders share. */
export function shaderConstants(s: EmbedParams): Record<string, number> {
  return { PER_SENTENCE: s.local ? 1 : s.windows, WHITENED: Number(s.whitened), RELU: Number(s.relu) };
}

/** Channels go four at a time where every stride allows it. What a shader needs to know in front of its text. */
export function valueType(width: number, tensors: readonly (Tensor | undefined)[]): { lanes: number; prelude: string } {
  const whole = [width, ...tensors.map((t) => t?.replicaStride ?? 0)].every((x) => x % 4 === 0);
  return whole ? { lanes: 4, prelude: 'alias Value = vec4f;\n' } : { lanes: 1, prelude: 'alias Value = f32;\n' };
}

function lower(call: Call, traits: AdapterTraits): Dispatch[] {
  const s = call.params as unknown as EmbedParams;
  const { tokens, weight, position } = call.inputs;
  const { output } = call.outputs;
  const rows = s.local ? s.batch : s.batch * s.windows;
  const batches = output.shape[0] * (s.local ? s.windows : 1);
  const { lanes, prelude } = valueType(s.width, [weight, position, output]);
  const strides = [weight.replicaStride, position?.replicaStride ?? 0, output.replicaStride];
  const shared = {
    uniforms: [
      ...[s.batch, s.windows, s.length, s.width / lanes],
      ...[s.v, s.filter, s.stride, s.padding],
      ...[s.firstToken, s.tokenRow, s.masked, Number(s.local)],
      ...[tokens.replicaStride, ...strides.map((x) => x / lanes)],
      ...[position ? elementsPerReplica(position) / s.width : 0, f32(s.scale)],
    ],
    bindings: [read(tokens), read(weight), read(position), write(output)],
  };
  const constants = { ...shaderConstants(s), POSITION_INSIDE: Number(s.positionInside) };
  const tile = lanes === 4 ? memoryTile(s, rows, batches, traits) : undefined;
  if (tile && variantOf(traits, 'embed', ['rows', 'memory'], traits.software ? 'rows' : 'memory') === 'memory')
    return [
      {
        ...shared,
        shader: 'embed_memory',
        source: prelude + coreSource + constantLines(tile) + unroll(memorySource, tile),
        constants: { ...constants, SYMBOLS: s.v },
        workgroups: [Math.ceil(s.width / 4 / tile.QUADS), Math.ceil(rows / tile.TILE), batches],
      },
    ];
  const columns = Math.ceil(s.width / lanes / 64);
  // Many windows a thread share the column sums; few fill a GPU. No output depends on it, nor on how many loads are TOGETHER.
  // lavapipe compiles 16 rows for 9 s, 4 rows for 1 s, and both run in the same time.
  const ROWS = traits.software ? 4 : ([16, 8].find((n) => columns * (rows / n) * batches >= 1024) ?? 4);
  const TOGETHER = traits.software ? 2 : 8;
  return [
    {
      ...shared,
      shader: 'embed',
      source: prelude + coreSource + constantLines({ ROWS, TOGETHER }) + unroll(forwardSource, { ROWS, TOGETHER }),
      constants,
      workgroups: [columns, Math.ceil(rows / ROWS), batches],
    },
  ];
}

/**
 * How embed_memory.wgsl is cut; no output depends on it. Undefined where the filters of 32 quads of channels do not fit, which
 * does not depend on the number of replicas: the two kernels may round differently.
 */
function memoryTile(s: EmbedParams, rows: number, batches: number, traits: AdapterTraits) {
  const [QUADS, PARTS, most] = [32, 8, 128];
  const bytes = 4 * s.filter * (4 * (s.v + 3) * QUADS + most);
  if (bytes > traits.maxWorkgroupStorageBytes || QUADS * PARTS > traits.maxInvocations) return undefined;
  const columns = Math.ceil(s.width / 4 / QUADS);
  // Many windows share one reading of the filters; few fill a GPU: four workgroups a multiprocessor of 132.
  const TILE = [most, 64].find((n) => columns * (rows / n) * batches >= 512) ?? 32;
  return { QUADS, PARTS, J: s.filter, TILE };
}

function embedCase(name: string, shape: CaseShape): KernelCase {
  const { v, width, batch, d, windows, position, ...options } = shape;
  return {
    name,
    replicas: 2,
    fill: { tokens: (_i, random) => Math.floor(random() * v) },
    // A sum of filter * (v + 1) terms of order 1, in f32.
    rtol: 2 ** -20,
    atol: 8 * options.filter * (v + 1) * 2 ** -24,
    build(plan) {
      const p = plan.program;
      embed(plan, {
        ...options,
        label: 'case',
        v,
        tokens: p.persistent('tokens', [batch, d], 'u32'),
        weight: p.persistent('weight', [(options.local ? windows : 1) * options.filter * v, width]),
        position: position ? p.persistent('position', [position, width]) : undefined,
        output: p.persistent('output', [batch, windows, width]),
      });
    },
  };
}
