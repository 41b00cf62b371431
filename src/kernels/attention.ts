import forwardSource from '../../shaders/attention.wgsl';
import coreSource from '../../shaders/attention_core.wgsl';
import rowsSource from '../../shaders/attention_rows.wgsl';
import scalarSource from '../../shaders/attention_scalar.wgsl';
import vec4Source from '../../shaders/attention_vec4.wgsl';
import {
  type AdapterTraits,
  type Dispatch,
  f32,
  linearGrid,
  read,
  variantOf,
  type Word,
  write,
} from '../gpu/dispatch.js';
import { constantLines } from '../gpu/unroll.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Call, ParamValue, Tensor } from '../plan/types.js';
import * as reference from '../reference/attention.js';
import { at, partsFor, stride, type WasmCommand } from '../wasm/command.js';
import { attentionCases } from './attention.cases.js';
import { expectRank, expectShape, expectWhole } from './shapes.js';
import type { HostViews, KernelSpec } from './types.js';

export interface AttentionOptions {
  label: string;
  qkv: Tensor; // [R, B, T, 3C]: q | k | v, head h owns columns hD..(h+1)D of each
  out: Tensor; // [R, B, Tq, C]; Tq = 1 with lastQueryOnly, else T
  logsumexp: Tensor; // [R, B, H, Tq], for the backward call
  heads: number; // H; D = C / H at most 128
  scale: number; // of q . k
  causal?: boolean;
  lastQueryOnly?: boolean; // only the query at the last position
}

/**
 * Adds fused multi-head self-attention: out = softmax(scale q k^T) v, never holding the scores of a whole sentence.
 * Overwrites out and logsumexp. @throws ShapeError naming the tensor that does not fit.
 */
export function attention(plan: PlanBuilder, o: AttentionOptions): void {
  const params = attentionParams('attention', o);
  plan.call({
    op: 'attention',
    label: o.label,
    inputs: { qkv: o.qkv },
    outputs: { out: o.out, logsumexp: o.logsumexp },
    params,
  });
}

export const attentionKernel: KernelSpec = {
  op: 'attention',
  reference(call: Call, views: HostViews) {
    const s = call.params as AttentionParams;
    for (const at of sentences(call.outputs.out.shape[0], s))
      reference.attention(
        s,
        rows(views, 'qkv', at, s.tokens * 3 * s.heads * s.dim),
        rows(views, 'out', at, s.queries * s.heads * s.dim),
        rows(views, 'logsumexp', at, s.heads * s.queries),
        s.queries,
      );
  },
  webgpu: lower,
  wasm(call) {
    const s = call.params as AttentionParams;
    const { out, logsumexp } = call.outputs;
    const padded = Math.ceil(s.tokens / 16) * 16;
    return [wasmAttention('attention', s, [call.inputs.qkv, out, logsumexp], 4 * padded * (s.dim + 4))];
  },
  cost(call: Call) {
    const s = call.params as AttentionParams;
    const rowsAll = call.outputs.out.shape[0] * s.batch * s.heads;
    const pairs = rowsAll * s.queries * s.tokens * (s.causal && !s.lastQueryOnly ? 0.5 : 1);
    return {
      flops: 4 * pairs * s.dim,
      bytes: 4 * rowsAll * (s.dim * (2 * s.tokens + 2 * s.queries) + s.queries),
    };
  },
  cases: attentionCases((plan, shape) => {
    const { qkv, out, logsumexp, options } = shape(plan);
    attention(plan, { ...options, qkv, out, logsumexp });
  }),
};

/** The numbers of an attention call, forward or backward. */
export interface AttentionParams extends reference.AttentionShape, Record<string, ParamValue> {
  batch: number;
  queries: number; // Tq
}

/** Checks the tensors of a forward or backward call against each other. */
export function attentionParams(op: string, o: AttentionOptions): AttentionParams {
  expectWhole(op, o.label, { heads: o.heads });
  expectRank(op, o.label, 'qkv', o.qkv, 'R, B, T, 3C');
  const [replicas, batch, tokens, width] = o.qkv.shape;
  const { heads, causal = false, lastQueryOnly = false } = o;
  const dim = width / 3 / heads;
  expectWhole(op, o.label, { [`head size (qkv [${o.qkv.shape}], ${heads} heads)`]: dim });
  if (dim > 128) expectWhole(op, o.label, { [`128 - head size ${dim}`]: 128 - dim }, 0);
  const queries = lastQueryOnly ? 1 : tokens;
  expectShape(op, o.label, 'qkv', o.qkv, [replicas, batch, tokens, 3 * heads * dim]);
  expectShape(op, o.label, 'out', o.out, [replicas, batch, queries, heads * dim]);
  expectShape(op, o.label, 'logsumexp', o.logsumexp, [replicas, batch, heads, queries]);
  return { batch, tokens, queries, heads, dim, causal, lastQueryOnly, scale: o.scale };
}

/** The command of a forward or backward call. tensors: qkv, out (backward: dOut), logsumexp, dQkv. */
export function wasmAttention(
  kernel: string,
  s: AttentionParams,
  tensors: readonly Tensor[],
  threadBytes: number,
): WasmCommand {
  const [qkv, out, logsumexp, dQkv] = tensors;
  const replicas = qkv.shape[0];
  return {
    kernel,
    words: [
      ...[qkv, out, logsumexp, dQkv].map(at),
      ...[qkv, out, logsumexp, dQkv].map(stride),
      ...[replicas, s.batch, s.tokens, s.queries, s.heads, s.dim, Number(s.causal), { f32: s.scale }],
    ],
    parts: partsFor((replicas * s.batch * s.heads * s.queries * s.tokens * s.dim * (dQkv ? 5 : 2)) / 4),
    threadBytes,
  };
}

/** Every (replica, sentence) of a call. */
export function* sentences(replicas: number, s: AttentionParams): Generator<{ r: number; b: number }> {
  for (let r = 0; r < replicas; r++) for (let b = 0; b < s.batch; b++) yield { r, b };
}

/** The elements of one sentence, `per` of them. */
export function rows(views: HostViews, slot: string, at: { r: number; b: number }, per: number): Float64Array {
  const { data, stride } = views[slot];
  return data.subarray(at.r * stride + at.b * per, at.r * stride + (at.b + 1) * per) as Float64Array;
}

/** Tile sizes: query rows, keys, vec4s of a head's columns held at once, ranges of columns, heads a workgroup. */
export interface AttentionTile {
  tr: number;
  tk: number;
  dc: number;
  chunks: number;
  nh: number;
}

export const ATTENTION_THREADS = 64;
const STORAGE_VEC4 = 1024; // 16 KiB of workgroup memory

/** Smallest tile that holds all tokens (at most 32) and as many heads as fit. memory: vec4s a head takes with this tile. */
export function attentionTile(
  s: AttentionParams,
  memory: (tile: AttentionTile) => number,
  chunkQuads: number,
): AttentionTile {
  const tk = s.tokens <= 8 ? 8 : s.tokens <= 16 ? 16 : 32;
  const tr = s.lastQueryOnly ? 4 : tk;
  const quads = Math.ceil(s.dim / 4);
  const whole: AttentionTile = { tr, tk, dc: quads, chunks: 1, nh: 1 };
  if (memory(whole) > STORAGE_VEC4) {
    const dc = Math.min(quads, chunkQuads);
    return { ...whole, dc, chunks: Math.ceil(quads / dc) };
  }
  const blocks = (tr * tk) / 16;
  let nh = 1;
  while (2 * nh <= s.heads && 2 * nh * memory(whole) <= STORAGE_VEC4 && 2 * nh * blocks <= ATTENTION_THREADS) nh *= 2;
  return { ...whole, nh };
}

/** Override constants of attention_core.wgsl. */
export function tileConstants(t: AttentionTile): Record<string, number> {
  const mask = (n: number) => Math.min(8, n & -n) - 1;
  return {
    ...{ TR: t.tr, TK: t.tk, DC: t.dc, NH: t.nh, WG: ATTENTION_THREADS },
    ...{ DMASK: mask(t.dc), KMASK: mask(t.tk / 4) },
  };
}

/**
 * Memory access and helpers in front of a kernel's text. constants: plain ones, for the sizes of register arrays. On
 * software drivers loop bounds are hidden from the compiler, which unrolls them otherwise: 11 s for one kernel, then 3.
 */
export function attentionSource(
  s: AttentionParams,
  strides: readonly number[],
  constants: Readonly<Record<string, number>>,
  hideBounds: boolean,
): string {
  const vec4 = [s.dim, ...strides].every((n) => n % 4 === 0);
  const opaque = `fn opaque(n: u32) -> u32 { return ${hideBounds ? 'n + p.zero' : 'n'}; }\n`;
  return constantLines(constants) + opaque + (vec4 ? vec4Source : scalarSource) + coreSource;
}

/**
 * Which kernels run: the choice in `tuned` under the operation's name, else rows on the CPU and tiles on a GPU. Two cores,
 * lavapipe: tiles run 2 to 5 times faster than rows but take 4 to 8 s to compile instead of 1 to 2; SwiftShader: rows are up
 * to 1.7 times faster forward, equal backward. Without a GPU the WebAssembly executor is the fast way.
 */
export function attentionVariant(op: string, traits: AdapterTraits): 'rows' | 'tiled' {
  const tuned = traits.tuned?.get(op);
  const usual = traits.software ? 'rows' : 'tiled';
  return variantOf(traits, op, ['rows', 'tiled'], tuned === 'rows' || tuned === 'tiled' ? tuned : usual);
}

/** The uniform block of attention_core.wgsl. tiles: workgroups along the queries or keys of a sentence's head. */
export function attentionUniforms(
  replicas: number,
  s: AttentionParams,
  strides: { qkv: number; out: number; lse: number; delta?: number; dQkv?: number },
  headGroups: number,
  tiles: number,
): Word[] {
  return [
    ...[replicas, s.batch, s.tokens, s.heads],
    ...[s.dim, s.queries, s.tokens - s.queries, Number(s.causal)],
    ...[strides.qkv, strides.out, strides.lse, strides.delta ?? 0],
    ...[strides.dQkv ?? 0, f32(s.scale), headGroups, tiles],
    0,
  ];
}

function lower(call: Call, traits: AdapterTraits): Dispatch[] {
  const s = call.params as AttentionParams;
  const { qkv } = call.inputs;
  const { out, logsumexp } = call.outputs;
  const replicas = out.shape[0];
  const strides = { qkv: qkv.replicaStride, out: out.replicaStride, lse: logsumexp.replicaStride };
  const aligned = [strides.qkv, strides.out];
  const bindings = [read(qkv), read(undefined), write(out), write(logsumexp)];
  if (attentionVariant('attention', traits) === 'rows')
    return [
      {
        shader: 'attention_rows',
        source: attentionSource(s, aligned, {}, false) + rowsSource,
        uniforms: attentionUniforms(replicas, s, strides, s.heads, 1),
        bindings,
        workgroups: linearGrid(Math.ceil((replicas * s.batch * s.heads * s.queries) / 64)),
      },
    ];
  const rowsOf = (t: AttentionTile) => Math.max(t.tk * t.dc, (t.tr * t.tk) / 4);
  const memory = (t: AttentionTile) => (t.tr + t.tk) * t.dc + rowsOf(t) + (t.tr * t.tk) / 16 + (2 * t.tr) / 4;
  const tile = attentionTile(s, memory, 8);
  const { tr, dc, chunks, nh } = tile;
  const headGroups = Math.ceil(s.heads / nh);
  const tiles = Math.ceil(s.queries / tr);
  const blocks = Math.ceil((nh * tr * dc) / 4 / ATTENTION_THREADS);
  return [
    {
      shader: 'attention',
      source: attentionSource(s, aligned, { BLOCKS: blocks, CHUNKS: chunks }, traits.software) + forwardSource,
      constants: { ...tileConstants(tile), KP: nh * rowsOf(tile) },
      uniforms: attentionUniforms(replicas, s, strides, headGroups, tiles),
      bindings,
      workgroups: linearGrid(replicas * s.batch * headGroups * tiles),
    },
  ];
}
