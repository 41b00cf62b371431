import backwardSource from '../../shaders/attentionBackward.wgsl';
import coreSource from '../../shaders/attentionBackward_core.wgsl';
import deltaSource from '../../shaders/attentionBackward_delta.wgsl';
import keysSource from '../../shaders/attentionBackward_keys.wgsl';
import queriesSource from '../../shaders/attentionBackward_queries.wgsl';
import rowsSource from '../../shaders/attentionBackward_rows.wgsl';
import tileSource from '../../shaders/attentionBackward_tile.wgsl';
import { ShapeError } from '../core/errors.js';
import { type AdapterTraits, type Dispatch, linearGrid, read, type Scratch, write } from '../gpu/dispatch.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Call, Tensor } from '../plan/types.js';
import * as reference from '../reference/attention.js';
import { attentionCases } from './attention.cases.js';
import {
  type AttentionOptions,
  type AttentionParams,
  type AttentionTile,
  attention,
  attentionParams,
  attentionSource,
  attentionTile,
  attentionUniforms,
  attentionVariant,
  rows,
  sentences,
  tileConstants,
  wasmAttention,
} from './attention.js';
import { expectShape } from './shapes.js';
import type { HostViews, KernelSpec } from './types.js';

export interface AttentionBackwardOptions extends AttentionOptions {
  dOut: Tensor; // [R, B, Tq, C]
  dQkv: Tensor; // [R, B, T, 3C]
}

/**
 * Adds the gradient of attention from its inputs, its results `out` and `logsumexp`, and dOut. Overwrites dQkv, all of it
 * (zero for queries that were not asked). @throws ShapeError naming the tensor that does not fit.
 */
export function attentionBackward(plan: PlanBuilder, o: AttentionBackwardOptions): void {
  const params = attentionParams('attentionBackward', o);
  expectShape('attentionBackward', o.label, 'dOut', o.dOut, o.out.shape);
  expectShape('attentionBackward', o.label, 'dQkv', o.dQkv, o.qkv.shape);
  if (o.dOut.replicaStride !== o.out.replicaStride)
    throw new ShapeError(`attentionBackward (${o.label}): dOut and out lie differently in memory; pass whole tensors`);
  const { qkv, out, logsumexp, dOut, dQkv } = o;
  plan.call({
    op: 'attentionBackward',
    label: o.label,
    inputs: { qkv, out, logsumexp, dOut },
    outputs: { dQkv },
    params,
  });
}

export const attentionBackwardKernel: KernelSpec = {
  op: 'attentionBackward',
  reference(call: Call, views: HostViews) {
    const s = call.params as AttentionParams;
    const channels = s.heads * s.dim;
    for (const at of sentences(call.outputs.dQkv.shape[0], s))
      reference.attentionBackward(
        s,
        rows(views, 'qkv', at, s.tokens * 3 * channels),
        rows(views, 'dOut', at, s.queries * channels),
        rows(views, 'dQkv', at, s.tokens * 3 * channels),
      );
  },
  webgpu: lower,
  wasm(call) {
    const s = call.params as AttentionParams;
    const { qkv, logsumexp, dOut } = call.inputs;
    const padded = Math.ceil(s.tokens / 16) * 16;
    const bytes = 4 * (2 * padded * (s.dim + 4) + 2 * s.tokens * Math.ceil(s.dim / 4) * 4);
    return [wasmAttention('attentionBackward', s, [qkv, dOut, logsumexp, call.outputs.dQkv], bytes)];
  },
  cost(call: Call) {
    const s = call.params as AttentionParams;
    const rowsAll = call.outputs.dQkv.shape[0] * s.batch * s.heads;
    const pairs = rowsAll * s.queries * s.tokens * (s.causal && !s.lastQueryOnly ? 0.5 : 1);
    return { flops: 10 * pairs * s.dim, bytes: 4 * rowsAll * (s.dim * (5 * s.tokens + 3 * s.queries) + s.queries) };
  },
  cases: attentionCases((plan, shape) => {
    const { qkv, out, logsumexp, options } = shape(plan);
    attention(plan, { ...options, qkv, out, logsumexp }); // out and logsumexp must belong to qkv
    const dOut = plan.program.persistent('dOut', out.shape.slice(1));
    const dQkv = plan.program.persistent('dQkv', qkv.shape.slice(1));
    attentionBackward(plan, { ...options, qkv, out, logsumexp, dOut, dQkv });
  }, true),
};

interface Strides {
  qkv: number;
  out: number;
  lse: number;
  delta: number;
  dQkv: number;
}

function lower(call: Call, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const s = call.params as AttentionParams;
  const { qkv, logsumexp, dOut } = call.inputs;
  const { dQkv } = call.outputs;
  const replicas = dQkv.shape[0];
  const strides: Strides = {
    qkv: qkv.replicaStride,
    out: dOut.replicaStride,
    lse: logsumexp.replicaStride,
    delta: s.batch * s.heads * s.queries,
    dQkv: dQkv.replicaStride,
  };
  const source = (text: string, constants = {}) => {
    const aligned = [strides.qkv, strides.out, strides.dQkv];
    return attentionSource(s, aligned, constants, traits.software) + coreSource + text;
  };
  if (attentionVariant('attentionBackward', traits) === 'rows') {
    const delta = deltaDispatch(call, s, strides, scratch);
    const half = (keys: boolean): Dispatch => ({
      shader: 'attentionBackward_rows',
      source: `const KEYS = ${keys};\n${source(rowsSource)}`,
      uniforms: attentionUniforms(replicas, s, strides, s.heads, 1),
      bindings: [read(qkv), read(dOut), write(dQkv), read(logsumexp), read(delta.tensor)],
      workgroups: linearGrid(Math.ceil((replicas * s.batch * s.heads * s.tokens) / 64)),
    });
    return [delta.dispatch, half(false), half(true)];
  }
  const probabilities = (t: AttentionTile) => (t.tr * t.tk) / 4;
  const vp = (t: AttentionTile) => Math.max(t.tk * t.dc, probabilities(t));
  const os = (t: AttentionTile) => Math.max(t.tr * t.dc, probabilities(t));
  const tile = attentionTile(s, (t) => (t.tr + t.tk) * t.dc + vp(t) + os(t), 4);
  if (s.tokens > tile.tk || tile.chunks > 1) return lowerLong(call, s, scratch, strides, source);
  const headGroups = Math.ceil(s.heads / tile.nh);
  return [
    {
      shader: 'attentionBackward',
      source: source(backwardSource),
      constants: { ...tileConstants(tile), VP: tile.nh * vp(tile), OS: tile.nh * os(tile) },
      uniforms: attentionUniforms(replicas, s, strides, headGroups, 1),
      bindings: [read(qkv), read(dOut), write(dQkv), read(logsumexp)],
      workgroups: linearGrid(replicas * s.batch * headGroups),
    },
  ];
}

/** More than one tile: delta, then keys and values by key tiles, then queries by query tiles. */
function lowerLong(
  call: Call,
  s: AttentionParams,
  scratch: Scratch,
  strides: Strides,
  source: (text: string, constants: Record<string, number>) => string,
): Dispatch[] {
  const { qkv, logsumexp, dOut } = call.inputs;
  const { dQkv } = call.outputs;
  const replicas = dQkv.shape[0];
  const quads = Math.ceil(s.dim / 4);
  const dc = Math.min(4, quads); // four tiles of 32 rows and P and dS fill 16 KiB
  const tile = { tr: s.lastQueryOnly ? 4 : 32, tk: 32, dc, chunks: Math.ceil(quads / dc), nh: 1 };
  const delta = deltaDispatch(call, s, strides, scratch);
  const half = (shader: string, text: string, tiles: number): Dispatch => ({
    shader,
    source: source(tileSource + text, { CHUNKS: tile.chunks }),
    constants: tileConstants(tile),
    uniforms: attentionUniforms(replicas, s, strides, s.heads, tiles),
    bindings: [read(qkv), read(dOut), write(dQkv), read(logsumexp), read(delta.tensor)],
    workgroups: linearGrid(replicas * s.batch * s.heads * tiles),
  });
  return [
    delta.dispatch,
    half('attentionBackward_keys', keysSource, Math.ceil(s.tokens / tile.tk)),
    half('attentionBackward_queries', queriesSource, Math.ceil(s.queries / tile.tr)),
  ];
}

function deltaDispatch(call: Call, s: AttentionParams, strides: Strides, scratch: Scratch) {
  const { out, dOut } = call.inputs;
  const replicas = out.shape[0];
  const tensor = scratch(0, [replicas, s.batch, s.heads, s.queries]);
  const dispatch: Dispatch = {
    shader: 'attentionBackward_delta',
    source: deltaSource,
    uniforms: [
      ...[strides.delta, s.queries, s.heads, s.dim],
      ...[replicas, out.replicaStride, dOut.replicaStride, strides.delta],
    ],
    bindings: [read(out), read(dOut), write(tensor)],
    workgroups: linearGrid(Math.ceil((strides.delta * replicas) / 64)),
  };
  return { tensor, dispatch };
}
