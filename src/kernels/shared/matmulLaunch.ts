/** Which kernels perform a product on a GPU, and their parameters. */

import halvesSource from '../../../shaders/halves.wgsl';
import denseSource from '../../../shaders/matmul_dense.wgsl';
import lanesSource from '../../../shaders/matmul_lanes.wgsl';
import reduceSource from '../../../shaders/matmul_reduce.wgsl';
import rowsSource from '../../../shaders/matmul_rows.wgsl';
import scalarSource from '../../../shaders/matmul_scalar.wgsl';
import vec4Source from '../../../shaders/matmul_vec4.wgsl';
import {
  type AdapterTraits,
  type Dispatch,
  linearGrid,
  read,
  type Scratch,
  variantOf,
  write,
} from '../../gpu/dispatch.js';
import { constantLines, unroll } from '../../gpu/unroll.js';
import { elementsPerReplica, type Tensor } from '../../plan/types.js';
import {
  flagsOf,
  matrixChunk,
  matrixLaunch,
  matrixRanges,
  matrixTileOf,
  roundLaunch,
  type Stored,
  storedFlags,
} from './matmulMatrix.js';
import { batchOf, coreText, productWords, type Replicated, tiledLaunch } from './matmulTiled.js';
import { type LanesTile, lanesTileOf, type Product, type Ranges, rangesOf } from './matmulTiles.js';
import type { Launch } from './operation.js';

/** The parts of a call that the lowering reads. */
export interface ProductCall {
  label: string;
  inputs: { a: Tensor; b: Tensor; bias?: Tensor; mask?: Tensor; residual?: Tensor; pace?: Tensor };
  outputs: { c: Tensor; scaling?: Tensor };
  params: Product &
    Record<'aOffset' | 'aRow' | 'aGroup' | 'bOffset' | 'bRow' | 'bGroup', number> &
    Record<'cOffset' | 'cRow' | 'cGroup' | 'biasGroup', number> &
    Record<'biasInside' | 'relu' | 'accumulate' | 'half' | 'scaled' | 'seenA' | 'seenB', boolean>;
  replicas: number;
  launch(o: Launch): Dispatch;
}

export function lowerMatmul(call: ProductCall, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const { params: p, replicas } = call;
  if (p.half) return lowerHalf(call, traits, scratch);
  const lanesTile = lanesTileOf(p, replicas, traits);
  const fitting = ['rows', 'tiled', ...(lanesTile ? ['lanes'] : [])];
  const usual = !traits.software ? 'tiled' : lanesTile ? 'lanes' : 'rows';
  const variant = variantOf(traits, 'matmul', fitting, usual);
  const ranges = variant === 'tiled' ? rangesOf(p, traits) : { kg: 1, splits: 1 };
  return lowerTo(call, ranges, scratch, productWords({ ...p, ranges }), (o) => {
    const factors = accessText(o.vec4, {}) + denseSource;
    if (variant === 'tiled') return tiledLaunch({ ...o, factors, oneHot: false }, traits);
    if (variant === 'lanes') return lanesLaunch(o, lanesTile!);
    const workgroups = [Math.ceil(p.n / 32), Math.ceil(p.m / 32), replicas * p.groups] as const;
    return { shader: 'matmul_rows', source: factors + coreText + rowsSource, workgroups };
  });
}

/** Tile and ranges of a product on matrix units; undefined if it does not run on them. */
function matrixChoice({ params: p, replicas }: Pick<ProductCall, 'params' | 'replicas'>, traits: AdapterTraits) {
  const ranges = matrixRanges(p, traits);
  const tile = matrixTileOf(p, ranges, replicas, traits);
  const fitting = ['rounded', ...(tile ? ['matrix'] : [])];
  const chosen = variantOf(traits, 'matmul', fitting, tile ? 'matrix' : 'rounded') === 'matrix';
  return tile && chosen ? { ranges, tile } : undefined;
}

/** Whether a product runs on matrix units and takes four elements at a time, so that its tensors may be stored as f16. */
export function takesStoredHalves(call: Omit<ProductCall, 'launch'>, traits: AdapterTraits): boolean {
  return call.params.half && isVec4(call) && matrixChoice(call, traits) !== undefined;
}

/** Factors rounded to f16: on matrix units, or rounded into scratch for a product in f32. */
function lowerHalf(call: ProductCall, traits: AdapterTraits, scratch: Scratch): Dispatch[] {
  const { params: p, replicas, launch } = call;
  const { scaling } = call.outputs;
  const checks = { a: !!scaling && !p.seenA, b: !!scaling && !p.seenB };
  const chosen = matrixChoice(call, traits);
  if (chosen) {
    const { ranges, tile } = chosen;
    const stored = { ...storedOf(call), c: ranges.splits === 1 && !!call.outputs.c.half };
    return lowerTo(
      call,
      ranges,
      scratch,
      { splits: ranges.splits, kChunk: matrixChunk(p, ranges) },
      (o) => matrixLaunch({ ...o, access: accessText(o.vec4, stored), checks, stored }, tile, traits.matrixUnits!),
      flagsOf(scaling),
    );
  }
  const rounded = (['a', 'b'] as const).map((name, i) => {
    const factor = call.inputs[name];
    const elements = elementsPerReplica(factor);
    const copy: Tensor = { ...scratch(1 + i, [replicas, elements]), shape: factor.shape };
    return { copy, dispatch: launch(roundLaunch(factor, copy, checks[name] ? scaling : undefined)) };
  });
  const [a, b] = rounded.map(({ copy }) => copy);
  const product = { ...call, inputs: { ...call.inputs, a, b }, params: { ...p, half: false } };
  return [...rounded.map(({ dispatch }) => dispatch), ...lowerMatmul(product, traits, scratch)];
}

/** The parameters of every kernel. */
interface Prepared extends Replicated {
  ranges: Ranges;
  vec4: boolean; // every stride and contiguous dimension is a multiple of 4
  constants: Readonly<Record<string, number>>;
}

/** The product by one kernel, and the sum of its splits. flags: bindings specific to the kernel. */
function lowerTo(
  call: ProductCall,
  ranges: Ranges,
  scratch: Scratch,
  ownWords: Readonly<Record<string, number>>,
  kernel: (o: Prepared) => Launch,
  flags: Launch['bind'] = {},
): Dispatch[] {
  const { params: p, replicas, launch } = call;
  const { a, b, bias, mask, residual, pace } = call.inputs;
  const { c } = call.outputs;
  const { splits } = ranges;
  const product = { ...p, replicas, ranges };
  batchOf(call.label, product, splits);
  const vec4 = isVec4(call);
  const constants = {
    A_T: Number(p.form === 'TN'),
    B_T: Number(p.form === 'NT'),
    BIAS: Number(!!bias),
    BIAS_INSIDE: Number(p.biasInside),
    RELU: Number(p.relu),
    MASK: Number(!!mask),
    RESIDUAL: Number(!!residual),
    ACCUMULATE: Number(p.accumulate),
    UPDATE: Number(!!pace),
    SCALED: Number(p.scaled),
  };
  const target = splits === 1 ? c : scratch(0, [splits * replicas * p.groups, p.m, Math.ceil(p.n / 4) * 4]);
  const ofMain = { ...constants, SPLIT: Number(splits > 1) };
  const own = kernel({ ...product, vec4, constants: ofMain });
  const full = vec4 && own.shader !== 'matmul_lanes' ? 'vec4f' : 'f32';
  const type = (tensor: Tensor | undefined) => (tensor?.half ? 'vec2u' : full);
  const bind = (from: Tensor, other: Tensor | undefined, to: Tensor) => ({
    ...{ a: read(from, type(from)), b: read(other, type(other)), bias: read(bias, full), mask: read(mask, type(mask)) },
    ...{ residual: read(residual, full), c: write(to, type(to)), pace: read(pace) },
  });
  const words = { ...ownWords, cReplica: c.replicaStride };
  const main = launch({ constants: ofMain, ...own, words, bind: { ...bind(a, b, target), ...flags } });
  if (splits === 1) return [main];
  const vectors = Math.ceil(p.n / 4) * p.m * replicas * p.groups;
  return [
    main,
    launch({
      shader: 'matmul_reduce',
      enable: c.half || mask?.half ? 'f16' : undefined,
      source: accessText(vec4, { mask: !!mask?.half, c: !!c.half }) + coreText + reduceSource,
      constants,
      words: { ...words, aReplica: a.replicaStride, bReplica: b.replicaStride },
      bind: bind(target, undefined, c),
      workgroups: linearGrid(Math.ceil(vectors / 64)),
    }),
  ];
}

/** Whether every stride and contiguous dimension is a multiple of 4. */
function isVec4({ inputs, outputs, params: p }: Pick<ProductCall, 'inputs' | 'outputs' | 'params'>): boolean {
  const { a, b, bias, mask, residual } = inputs;
  const contiguous = [p.n, p.form === 'TN' ? p.m : p.k, ...(p.form === 'NT' ? [p.k] : [])];
  const strides = [p.aOffset, p.aRow, p.aGroup, p.bOffset, p.bRow, p.bGroup, p.cOffset, p.cRow, p.cGroup, p.biasGroup];
  const replicaStrides = [a, b, outputs.c, bias, mask, residual].map((t) => t?.replicaStride ?? 0);
  return [...contiguous, ...strides, ...replicaStrides].every((x) => x % 4 === 0);
}

function storedOf({ inputs: { a, b, mask }, outputs: { c } }: Pick<ProductCall, 'inputs' | 'outputs'>): Stored {
  return { a: !!a.half, b: !!b.half, mask: !!mask?.half, c: !!c.half };
}

/** WGSL that reads and writes a product's tensors. */
function accessText(vec4: boolean, stored: Stored): string {
  const type = (half: boolean | undefined) => (half ? 'vec2u' : 'vec4f');
  const positive = stored.mask ? 'storedPositive(x)' : 'x > vec4f()';
  const types =
    `alias FactorA = ${type(stored.a)};\nalias FactorB = ${type(stored.b)};\nalias MaskWords = ${type(stored.mask)};\n` +
    `fn isPositive(x: MaskWords) -> vec4<bool> { return ${positive}; }\n`;
  if (!vec4) return types + scalarSource;
  const halves = Object.values(stored).some((yes) => yes) ? halvesSource : '';
  return types + halves + unroll(vec4Source, storedFlags(stored));
}

function lanesLaunch(p: Replicated, { lanes, tm, tn }: LanesTile): Launch {
  const tile = { LANES: lanes, TM: tm, TN: tn, GROUPS: tm / lanes };
  const spare = { GROUPS_AND_SPARE: tile.GROUPS + 1, LANES_AND_SPARE: lanes + 1, TN_AND_SPARE: tn + 1 };
  return {
    shader: 'matmul_lanes',
    enable: 'subgroups',
    source: constantLines(tile) + accessText(false, {}) + coreText + unroll(lanesSource, { ...tile, ...spare }),
    workgroups: [Math.ceil(p.n / (tn * lanes)), Math.ceil(p.m / tm), p.replicas * p.groups],
  };
}
