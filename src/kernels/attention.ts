import forwardSource from '../../shaders/attention.wgsl';
import coreSource from '../../shaders/attention_core.wgsl';
import halfFactorSource from '../../shaders/attention_half.wgsl';
import rowsSource from '../../shaders/attention_rows.wgsl';
import scalarSource from '../../shaders/attention_scalar.wgsl';
import vec4Source from '../../shaders/attention_vec4.wgsl';
import halfSource from '../../shaders/half.wgsl';
import { SCALING_WORDS } from '../core/clock.js';
import { type AdapterTraits, linearGrid, read, variantOf, write } from '../gpu/dispatch.js';
import { constantLines, unroll } from '../gpu/unroll.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/attention.js';
import { partsFor } from '../wasm/command.js';
import { attentionCases } from './shared/attention.cases.js';
import { NO_FACTOR, roundedFactor, roundFactor, roundWords } from './shared/half.js';
import { flagsOf } from './shared/matmulMatrix.js';
import { defineOperation } from './shared/operation.js';
import { bool, f32, u32 } from './shared/params.js';
import { scaling as scalingNames, wordConstants } from './shared/words.js';

/** Sizes of a call, forward or backward. queries: Tq. */
export type AttentionSizes = Omit<reference.AttentionShape, 'scale'> & {
  batch: number;
  queries: number;
  half: boolean;
};

export const attentionParams = {
  heads: u32({ least: 1 }), // H; D = C / H at most 128
  scale: f32(), // factor of q . k
  causal: bool(),
  lastQueryOnly: bool(), // only the query at the last position
  half: bool(), // factors rounded to f16: q, k, v, dOut, weights and their gradients
};

/** width: elements of a row of qkv, 3 C. */
export const attentionSizes = {
  dim: ({ width, heads }: { width: number; heads: number }) => Math.floor(width / 3 / heads),
  channels: ({ width, heads }: { width: number; heads: number }) => Math.floor(width / 3 / heads) * heads,
  queries: ({ tokens, lastQueryOnly }: { tokens: number; lastQueryOnly: boolean }) => (lastQueryOnly ? 1 : tokens),
};

/** Refuses heads that do not divide the columns, or are too large. */
export function checkHeads(o: { qkv: Tensor; width: number; heads: number }, refuse: (why: string) => never): void {
  const dim = o.width / 3 / o.heads;
  if (!(Number.isInteger(dim) && dim >= 1 && dim <= MOST_COLUMNS))
    refuse(
      `head size ${dim} of qkv [${o.qkv.shape}] with ${o.heads} heads; pass 3 * heads * D columns, ` +
        `D a whole number from 1 to ${MOST_COLUMNS}`,
    );
}

const MOST_COLUMNS = 128; // registers of attention_rows.wgsl

/**
 * Fused multi-head self-attention: out = softmax(scale q k^T) v, without storing the scores of a whole sentence. qkv is q | k |
 * v, with columns hD..(h+1)D of each for head h. Overwrites out and logsumexp, which the backward call needs.
 */
export const attention = defineOperation({
  name: 'attention',
  inputs: { qkv: 'R batch tokens width' },
  outputs: {
    ...{ out: 'R batch queries channels', logsumexp: 'R batch heads queries' },
    scaling: `u32 R ${SCALING_WORDS} ?`, // with half: set if a factor does not fit
  },
  params: attentionParams,
  sizes: attentionSizes,
  check: checkHeads,
  reference({ out, logsumexp, scaling, ...given }, s) {
    const qkv = s.half ? roundFactor(given.qkv, scaling) : given.qkv;
    for (let b = 0; b < s.batch; b++)
      reference.attention(
        s,
        sentenceOf(qkv, b, s.tokens * s.width),
        sentenceOf(out, b, s.queries * s.channels),
        sentenceOf(logsumexp, b, s.heads * s.queries),
        s.queries,
      );
  },
  webgpu({ inputs: { qkv }, outputs: { out, logsumexp, scaling }, params: s, replicas, launch }, traits) {
    const half = halfText(s.half, scaling, traits);
    const aligned = [qkv.replicaStride, out.replicaStride];
    const type = elementsOf(s, aligned);
    const bind = {
      qkv: read(qkv, type),
      dOut: read(undefined, type),
      result: write(out, type),
      logsumexp,
      ...half.bind,
    };
    const words = { queryFirst: s.tokens - s.queries, outReplica: out.replicaStride, zero: 0 };
    if (attentionVariant('attention', traits) === 'rows')
      return [
        launch({
          shader: 'attention_rows',
          enable: half.enable,
          source: half.text + attentionSource(s, aligned, {}, false) + rowsSource,
          words: { ...words, headGroups: s.heads, tiles: 1 },
          bind,
          workgroups: linearGrid(Math.ceil((replicas * s.batch * s.heads * s.queries) / 64)),
        }),
      ];
    const rowsOf = (t: AttentionTile) => Math.max(t.tk * t.dc, (t.tr * t.tk) / 4);
    const memory = (t: AttentionTile) => (t.tr + t.tk) * t.dc + rowsOf(t) + (t.tr * t.tk) / 16 + (2 * t.tr) / 4;
    const tile = attentionTile(s, memory, 8);
    const { tr, dc, chunks, nh } = tile;
    const headGroups = Math.ceil(s.heads / nh);
    const tiles = Math.ceil(s.queries / tr);
    const blocks = Math.ceil((nh * tr * dc) / 4 / ATTENTION_THREADS);
    return [
      launch({
        enable: half.enable,
        source:
          half.text + attentionSource(s, aligned, { BLOCKS: blocks, CHUNKS: chunks }, traits.software) + forwardSource,
        constants: { ...tileConstants(tile), KP: nh * rowsOf(tile) },
        words: { ...words, headGroups, tiles },
        bind,
        workgroups: linearGrid(replicas * s.batch * headGroups * tiles),
      }),
    ];
  },
  wasm: {
    kernels: ['attention', 'attentionRound'],
    scratch: true,
    words: roundWords,
    launch({ inputs: { qkv }, params: s, replicas }, scratch) {
      const padded = Math.ceil(s.tokens / 16) * 16;
      const main = { words: NO_FACTOR, parts: attentionParts(s, replicas, 2), threadBytes: 4 * padded * (s.dim + 4) };
      if (!s.half) return [main];
      const { at, replicaStride, command } = roundedFactor('attentionRound', qkv, replicas, scratch);
      return [command, { ...main, words: { ...NO_FACTOR, qkv: at, qkvReplica: replicaStride } }];
    },
  },
  cost(s) {
    const rows = s.batch * s.heads;
    return {
      flops: 4 * rows * attentionPairs(s) * s.dim,
      bytes: 4 * rows * (s.dim * (2 * s.tokens + 2 * s.queries) + s.queries),
    };
  },
  cases: () =>
    attentionCases((plan, shape) => {
      const { options, ...tensors } = shape(plan);
      attention(plan, { ...options, ...tensors });
    }),
});

/** WGSL that rounds factors, and its requirements. */
export function halfText(half: boolean, scaling: Tensor | undefined, traits: AdapterTraits) {
  const native = traits.f16 === true;
  const numbers = {
    ...{ PLAIN: Number(!half), HALF: Number(half), FLAGS: Number(!!scaling) },
    ...{ NATIVE: Number(native), INTEGER: Number(!native) },
    ...{ PACKED: Number(half && native), UNPACKED: Number(!half || !native) },
  };
  const integers = half && !native ? halfSource : '';
  return {
    enable: half && native ? 'f16' : undefined,
    text: wordConstants(scalingNames) + integers + unroll(halfFactorSource, numbers),
    numbers, // for `unroll`, if the kernel's own text differs too
    bind: half ? flagsOf(scaling) : {},
  };
}

/** The elements of one sentence, `per` of them. */
export function sentenceOf(data: Float64Array, b: number, per: number): Float64Array {
  return data.subarray(b * per, (b + 1) * per);
}

/** Number of pairs of a query and a key that it sees. */
export function attentionPairs({ queries, tokens, causal, lastQueryOnly }: AttentionSizes): number {
  return queries * tokens * (causal && !lastQueryOnly ? 0.5 : 1);
}

/** products: how many a pair takes. */
export function attentionParts(s: AttentionSizes, replicas: number, products: number): number {
  return partsFor((replicas * s.batch * s.heads * s.queries * s.tokens * s.dim * products) / 4);
}

/** Tile sizes: query rows, keys, vec4s of a head's columns in memory at once, ranges of columns, heads per workgroup. */
export interface AttentionTile {
  tr: number;
  tk: number;
  dc: number;
  chunks: number;
  nh: number;
}

export const ATTENTION_THREADS = 64;
const STORAGE_VEC4 = 1024; // 16 KiB of workgroup memory

/** Smallest tile that covers all tokens (at most 32), with as many heads as fit. memory: vec4s per head with this tile. */
export function attentionTile(
  s: AttentionSizes,
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

/** The type of elements that the kernels read and write at once. */
export function elementsOf({ dim }: AttentionSizes, strides: readonly number[]): 'vec4f' | 'f32' {
  return [dim, ...strides].every((n) => n % 4 === 0) ? 'vec4f' : 'f32';
}

/**
 * Memory access and helpers that precede a kernel's text. constants: plain ones, for the sizes of register arrays. On software
 * drivers loop bounds are hidden from the compiler, which would otherwise unroll the loops: 11 s for one kernel instead of 3.
 */
export function attentionSource(
  s: AttentionSizes,
  strides: readonly number[],
  constants: Readonly<Record<string, number>>,
  hideBounds: boolean,
): string {
  const opaque = `fn opaque(n: u32) -> u32 { return ${hideBounds ? 'n + p.zero' : 'n'}; }\n`;
  return (
    constantLines(constants) + opaque + (elementsOf(s, strides) === 'vec4f' ? vec4Source : scalarSource) + coreSource
  );
}

/**
 * Which kernels run: the choice in `tuned` under the operation's name, otherwise rows on the CPU and tiles on a GPU. Two cores,
 * lavapipe: tiles run 2 to 5 times faster than rows but take 4 to 8 s to compile instead of 1 to 2; SwiftShader: rows are up to
 * 1.7 times faster forward, equal backward. Without a GPU the WebAssembly executor is fastest.
 */
export function attentionVariant(op: string, traits: AdapterTraits): 'rows' | 'tiled' {
  const tuned = traits.tuned?.get(op);
  const usual = traits.software ? 'rows' : 'tiled';
  return variantOf(traits, op, ['rows', 'tiled'], tuned === 'rows' || tuned === 'tiled' ? tuned : usual);
}
