/** The gradient of embed's weight as a product: the matmul kernel for GPUs with one-hot rows made from the tokens. */
import oneHotSource from '../../shaders/matmul_onehot.wgsl';
import { type AdapterTraits, type Dispatch, read, write } from '../gpu/dispatch.js';
import type { Call } from '../plan/types.js';
import type { EmbedParams } from './embed.js';
import { batchOf, productUniforms, tiledDispatch } from './matmulTiled.js';
import { type Product, rangesOf } from './matmulTiles.js';

/** Whether a product can do it: one filter for all windows, everything a multiple of 4. */
export function productFits({ inputs, outputs }: Call, s: EmbedParams): boolean {
  const { output, dOutput } = inputs;
  const strides = [s.v, s.width, dOutput.replicaStride, outputs.dWeight.replicaStride];
  const gated = !s.relu || output.replicaStride === dOutput.replicaStride;
  return gated && !s.local && strides.every((x) => x % 4 === 0);
}

/**
 * Its work grows with the vocabulary, and long sums into few tiles leave most of a GPU idle. With its update, against memory and the
 * two dispatches more, microseconds on an H100: 16 x 2 symbols, 1024 windows of 512 channels 20 and 30, 16 replicas 45 and
 * 55; 32 x 2 symbols, 2048 windows 28 and 41, 16 replicas 86 and 157; but 16 symbols, 2048 windows of 256 channels 41 and 26.
 */
export function productPays(s: EmbedParams): boolean {
  const tiles = Math.ceil((s.filter * s.v) / 32) * Math.ceil(s.width / 32);
  return s.v <= 64 && s.batch * s.windows <= 2048 && tiles >= 16;
}

/** dW = scale A^T B, A the whitened one-hot rows [windows, filter * v], B = dOutput where output > 0 [windows, width]. */
export function productDispatch(call: Call, s: EmbedParams, traits: AdapterTraits): Dispatch {
  const { tokens, output, dOutput, pace } = call.inputs;
  const { dWeight } = call.outputs;
  const replicas = dWeight.shape[0];
  const shape: Product = { form: 'TN', groups: 1, m: s.filter * s.v, n: s.width, k: s.batch * s.windows };
  // Sums of moderate length: four groups of threads do, without a second dispatch.
  const ranges = { kg: shape.k >= 256 ? 4 : rangesOf(shape, traits).kg, splits: 1 };
  const p = { ...shape, replicas, ranges };
  batchOf(call.label, p, ranges.splits);
  const uniforms = productUniforms(
    p,
    [s.firstToken, tokens.replicaStride, 0, 0],
    [0, dOutput.replicaStride, 0, s.width],
    [0, dWeight.replicaStride, 0, s.width],
    [0, 0, 0, 0],
    s.scale,
  );
  const c1 = 1 / Math.sqrt(1 - 1 / s.v);
  const constants = {
    ...{ A_T: 1, UPDATE: Number(!!pace) },
    ...{ GATED: Number(s.relu), WHITENED: Number(s.whitened), SYMBOLS: s.v, WINDOWS: s.windows, FILTER: s.filter },
    ...{ STRIDE: s.stride, PADDING: s.padding, LENGTH: s.length, TOKEN_ROW: s.tokenRow, MASKED_AT: s.masked },
    ...(s.whitened
      ? { HIT: c1 * (1 - 1 / s.v), MISS: -c1 / s.v, BLANK: 1 / Math.sqrt(s.v) }
      : { HIT: 1, MISS: 0, BLANK: 0 }),
  };
  const none = read(undefined);
  const bindings = [read(tokens), read(dOutput), read(output), none, none, write(dWeight), read(pace)];
  return tiledDispatch(
    { ...p, factors: oneHotSource, oneHot: true, vec4: true, constants, uniforms, bindings },
    traits,
  );
}
