/** The gradient of embed's weight as a product: the matmul kernel for GPUs with one-hot rows made from the tokens. */
import oneHotSource from '../../../shaders/matmul_onehot.wgsl';
import { type AdapterTraits, type Dispatch, read, write } from '../../gpu/dispatch.js';
import type { Tensor } from '../../plan/types.js';
import type { EmbedCall } from '../embed.js';
import { batchOf, productWords, tiledLaunch } from './matmulTiled.js';
import { type Product, rangesOf } from './matmulTiles.js';
import type { Launch } from './operation.js';

/** The parts of a call that the kernels of embedBackward use. */
export interface BackwardCall {
  label: string;
  inputs: { tokens: Tensor; dOutput: Tensor; output?: Tensor; pace?: Tensor };
  outputs: { dWeight: Tensor };
  params: EmbedCall & { scaled: boolean };
  replicas: number;
  launch(o: Launch): Dispatch;
}

/** Whether it can be computed as a product: one filter for all windows, everything a multiple of 4. */
export function productFits({ inputs: { output, dOutput }, outputs: { dWeight }, params: s }: BackwardCall): boolean {
  const strides = [s.v, s.width, dOutput.replicaStride, dWeight.replicaStride];
  const gated = !s.relu || output?.replicaStride === dOutput.replicaStride;
  return gated && !s.local && strides.every((x) => x % 4 === 0);
}

/**
 * Its work grows with the vocabulary, and long sums into few tiles leave most of a GPU idle. Microseconds on an H100, for the
 * product with its update and for memory with two more dispatches: 16 x 2 symbols, 1024 windows of 512 channels 20 and 30, 16
 * replicas 45 and 55; 32 x 2 symbols, 2048 windows 28 and 41, 16 replicas 86 and 157; but 16 symbols, 2048 windows of 256 channels
 * 41 and 26.
 */
export function productPays(s: EmbedCall): boolean {
  const tiles = Math.ceil((s.filter * s.v) / 32) * Math.ceil(s.width / 32);
  return s.v <= 64 && s.batch * s.windows <= 2048 && tiles >= 16;
}

/**
 * dW = scale A^T B, where A is the whitened one-hot rows [windows, filter * v] and B is dOutput where output > 0 [windows,
 * width].
 */
export function productDispatch(call: BackwardCall, traits: AdapterTraits): Dispatch {
  const { params: s, replicas } = call;
  const { tokens, output, dOutput, pace } = call.inputs;
  const { dWeight } = call.outputs;
  const shape: Product = { form: 'TN', groups: 1, m: s.filter * s.v, n: s.width, k: s.batch * s.windows };
  // Sums of moderate length: four groups of threads are enough, without a second dispatch.
  const ranges = { kg: shape.k >= 256 ? 4 : rangesOf(shape, traits).kg, splits: 1 };
  const p = { ...shape, replicas, ranges };
  batchOf(call.label, p, ranges.splits);
  const { groups, m, n, k } = shape;
  const words = {
    ...{ m, n, k, groups, ...productWords(p) },
    ...{ aOffset: s.firstToken, aReplica: tokens.replicaStride, aGroup: 0, aRow: 0 },
    ...{ bOffset: 0, bReplica: dOutput.replicaStride, bGroup: 0, bRow: n },
    ...{ cOffset: 0, cReplica: dWeight.replicaStride, cGroup: 0, cRow: n },
    ...{ biasReplica: 0, biasGroup: 0, maskReplica: 0, residualReplica: 0 },
  };
  const c1 = 1 / Math.sqrt(1 - 1 / s.v);
  const constants = {
    ...{ A_T: 1, UPDATE: Number(!!pace), SCALED: Number(s.scaled) },
    ...{ GATED: Number(s.relu), WHITENED: Number(s.whitened), SYMBOLS: s.v, WINDOWS: s.windows, FILTER: s.filter },
    ...{ STRIDE: s.stride, PADDING: s.padding, LENGTH: s.length, TOKEN_ROW: s.tokenRow, MASKED_AT: s.masked },
    ...(s.whitened
      ? { HIT: c1 * (1 - 1 / s.v), MISS: -c1 / s.v, BLANK: 1 / Math.sqrt(s.v) }
      : { HIT: 1, MISS: 0, BLANK: 0 }),
  };
  return call.launch({
    ...tiledLaunch({ ...p, factors: oneHotSource, oneHot: true, vec4: true, constants }, traits),
    words,
    bind: {
      ...{ tokens, b: read(dOutput, 'vec4f'), gate: read(output, 'vec4f'), c: write(dWeight, 'vec4f') },
      pace,
    },
  });
}
