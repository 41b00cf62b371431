import backwardSource from '../../shaders/attentionBackward.wgsl';
import coreSource from '../../shaders/attentionBackward_core.wgsl';
import deltaSource from '../../shaders/attentionBackward_delta.wgsl';
import keysSource from '../../shaders/attentionBackward_keys.wgsl';
import queriesSource from '../../shaders/attentionBackward_queries.wgsl';
import rowsSource from '../../shaders/attentionBackward_rows.wgsl';
import tileSource from '../../shaders/attentionBackward_tile.wgsl';
import { SCALING_WORDS } from '../core/clock.js';
import { type AdapterTraits, type Dispatch, linearGrid, read, type Scratch, write } from '../gpu/dispatch.js';
import { unroll } from '../gpu/unroll.js';
import type { Tensor } from '../plan/types.js';
import * as reference from '../reference/attention.js';
import {
  type AttentionSizes,
  type AttentionTile,
  attention,
  attentionPairs,
  attentionParams,
  attentionParts,
  attentionSizes,
  attentionSource,
  attentionTile,
  attentionVariant,
  checkHeads,
  elementsOf,
  halfText,
  sentenceOf,
  tileConstants,
} from './attention.js';
import { attentionCases } from './shared/attention.cases.js';
import { NO_FACTOR, roundedFactor, roundFactor, roundWords } from './shared/half.js';
import { defineOperation, gradientOf, type Launch } from './shared/operation.js';

/**
 * Gradient of attention from its inputs, its results `out` and `logsumexp`, and dOut. Overwrites all of dQkv (with zeros for
 * queries that were not computed).
 */
export const attentionBackward = defineOperation({
  name: 'attentionBackward',
  inputs: {
    qkv: 'R batch tokens width',
    out: 'R batch queries channels',
    logsumexp: 'R batch heads queries',
    dOut: 'R batch queries channels',
  },
  outputs: { dQkv: 'R batch tokens width', scaling: `u32 R ${SCALING_WORDS} ?` },
  params: attentionParams,
  sizes: attentionSizes,
  check(o, refuse) {
    checkHeads(o, refuse);
    if (o.dOut.replicaStride !== o.out.replicaStride)
      refuse('dOut and out have different memory layouts; pass whole tensors');
  },
  reference({ dQkv, scaling, ...given }, s) {
    const round = (factor: Float64Array) => (s.half ? roundFactor(factor, scaling) : factor);
    const [qkv, dOut] = [round(given.qkv), round(given.dOut)];
    for (let b = 0; b < s.batch; b++)
      reference.attentionBackward(
        s,
        sentenceOf(qkv, b, s.tokens * s.width),
        sentenceOf(dOut, b, s.queries * s.channels),
        sentenceOf(dQkv, b, s.tokens * s.width),
      );
  },
  webgpu: lower,
  wasm: {
    kernels: ['attentionBackward', 'attentionBackwardRound'],
    scratch: true,
    words: roundWords,
    launch({ inputs: { qkv, dOut }, params: s, replicas }, scratch) {
      const padded = Math.ceil(s.tokens / 16) * 16;
      const threadBytes = 4 * (2 * padded * (s.dim + 4) + 2 * s.tokens * Math.ceil(s.dim / 4) * 4);
      const main = { words: NO_FACTOR, parts: attentionParts(s, replicas, 5), threadBytes };
      if (!s.half) return [main];
      const [q, d] = [qkv, dOut].map((factor) => roundedFactor('attentionBackwardRound', factor, replicas, scratch));
      const words = {
        ...{ ...NO_FACTOR, qkv: q.at, qkvReplica: q.replicaStride, dOut: d.at, dOutReplica: d.replicaStride },
      };
      return [q.command, d.command, { ...main, words }];
    },
  },
  cost(s) {
    const rows = s.batch * s.heads;
    return {
      flops: 10 * rows * attentionPairs(s) * s.dim,
      bytes: 4 * rows * (s.dim * (5 * s.tokens + 3 * s.queries) + s.queries),
    };
  },
  cases: () =>
    attentionCases((plan, shape) => {
      const { qkv, out, logsumexp, scaling, options } = shape(plan);
      attention(plan, { ...options, qkv, out, logsumexp }); // out and logsumexp must belong to qkv
      const dOut = plan.program.persistent('dOut', out.shape.slice(1));
      const dQkv = plan.program.persistent('dQkv', qkv.shape.slice(1));
      attentionBackward(plan, { ...options, qkv, out, logsumexp, dOut, dQkv, scaling });
    }, true),
});

gradientOf(attention, ({ label, inputs: { qkv }, outputs: { out, logsumexp, scaling }, params }, pass) => {
  const { heads, scale, causal, lastQueryOnly, half } = params;
  pass.add({
    input: qkv,
    write: ({ tensor: dQkv }) =>
      attentionBackward(pass.plan, {
        ...{ label: `${label} gradient`, heads, scale, causal, lastQueryOnly, half, scaling },
        ...{ qkv, out, logsumexp, dOut: pass.of(out), dQkv },
      }),
  });
});

interface BackwardCall {
  inputs: { qkv: Tensor; out: Tensor; logsumexp: Tensor; dOut: Tensor };
  outputs: { dQkv: Tensor; scaling?: Tensor };
  params: AttentionSizes;
  replicas: number;
  launch(o: Launch): Dispatch;
}

function lower(call: BackwardCall, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const { params: s, replicas } = call;
  const { qkv, logsumexp, dOut } = call.inputs;
  const { dQkv, scaling } = call.outputs;
  const rounding = halfText(s.half, scaling, traits);
  const aligned = [qkv.replicaStride, dOut.replicaStride, dQkv.replicaStride];
  const type = elementsOf(s, aligned);
  const bind = { qkv: read(qkv, type), dOut: read(dOut, type), result: write(dQkv, type), logsumexp, ...rounding.bind };
  const words = {
    queryFirst: s.tokens - s.queries,
    outReplica: dOut.replicaStride,
    dQkvReplica: dQkv.replicaStride,
    zero: 0,
  };
  const source = (text: string, constants = {}) =>
    rounding.text + attentionSource(s, aligned, constants, traits.software) + coreSource + text;
  if (attentionVariant('attentionBackward', traits) === 'rows') {
    const { delta, dispatch } = deltaOf(call, scratch);
    const half = (keys: boolean) =>
      call.launch({
        shader: 'attentionBackward_rows',
        enable: rounding.enable,
        source: `const KEYS = ${keys};\n${source(rowsSource)}`,
        words: { ...words, headGroups: s.heads, tiles: 1 },
        bind: { ...bind, delta },
        workgroups: linearGrid(Math.ceil((replicas * s.batch * s.heads * s.tokens) / 64)),
      });
    return [dispatch, half(false), half(true)];
  }
  const probabilities = (t: AttentionTile) => (t.tr * t.tk) / 4;
  const vp = (t: AttentionTile) => Math.max(t.tk * t.dc, probabilities(t));
  const os = (t: AttentionTile) => Math.max(t.tr * t.dc, probabilities(t));
  const tile = attentionTile(s, (t) => (t.tr + t.tk) * t.dc + vp(t) + os(t), 4);
  if (s.tokens > tile.tk || tile.chunks > 1) return lowerLong(call, scratch, words, bind, source, rounding.enable);
  const headGroups = Math.ceil(s.heads / tile.nh);
  return [
    call.launch({
      enable: rounding.enable,
      source: source(unroll(backwardSource, rounding.numbers)),
      constants: { ...tileConstants(tile), VP: tile.nh * vp(tile), OS: tile.nh * os(tile) },
      words: { ...words, headGroups, tiles: 1 },
      bind,
      workgroups: linearGrid(replicas * s.batch * headGroups),
    }),
  ];
}

/** More than one tile: delta, then keys and values by key tiles, then queries by query tiles. */
function lowerLong(
  call: BackwardCall,
  scratch: Scratch,
  words: Readonly<Record<string, number>>,
  bind: Launch['bind'],
  source: (text: string, constants: Record<string, number>) => string,
  enable: string | undefined,
): Dispatch[] {
  const { params: s, replicas } = call;
  const quads = Math.ceil(s.dim / 4);
  const dc = Math.min(4, quads); // four tiles of 32 rows and P and dS fill 16 KiB
  const tile = { tr: s.lastQueryOnly ? 4 : 32, tk: 32, dc, chunks: Math.ceil(quads / dc), nh: 1 };
  const { delta, dispatch } = deltaOf(call, scratch);
  const half = (shader: string, text: string, tiles: number) =>
    call.launch({
      shader,
      enable,
      source: source(tileSource + text, { CHUNKS: tile.chunks }),
      constants: tileConstants(tile),
      words: { ...words, headGroups: s.heads, tiles },
      bind: { ...bind, delta },
      workgroups: linearGrid(replicas * s.batch * s.heads * tiles),
    });
  return [
    dispatch,
    half('attentionBackward_keys', keysSource, Math.ceil(s.tokens / tile.tk)),
    half('attentionBackward_queries', queriesSource, Math.ceil(s.queries / tile.tr)),
  ];
}

/** out . dOut of every query. */
function deltaOf({ inputs: { out, dOut }, params: s, replicas, launch }: BackwardCall, scratch: Scratch) {
  const delta = scratch(0, [replicas, s.batch, s.heads, s.queries]);
  const rows = s.batch * s.heads * s.queries;
  const dispatch = launch({
    shader: 'attentionBackward_delta',
    source: deltaSource,
    words: { rows },
    bind: { out, dOut, delta: write(delta) },
    workgroups: linearGrid(Math.ceil((rows * replicas) / 64)),
  });
  return { delta, dispatch };
}
