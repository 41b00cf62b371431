/** The product kernel for GPUs, matmul_tiled.wgsl, as dispatched by matmul and embedBackward. */
import coreSource from '../../../shaders/matmul_core.wgsl';
import tiledSource from '../../../shaders/matmul_tiled.wgsl';
import { ShapeError } from '../../core/errors.js';
import type { AdapterTraits } from '../../gpu/dispatch.js';
import { constantLines, unroll } from '../../gpu/unroll.js';
import { type Product, type Ranges, rowsThatMeet, tileOf } from './matmulTiles.js';
import type { Launch } from './operation.js';
import { pace, wordConstants } from './words.js';

/** matmul_core.wgsl after the words that it names. */
export const coreText = wordConstants(pace) + coreSource;

/** A product, with its number of replicas. */
export interface Replicated extends Product {
  replicas: number;
}

/** Workgroups along z. @throws ShapeError beyond WebGPU's limit */
export function batchOf(label: string, { replicas, groups }: Replicated, splits: number): number {
  const batch = replicas * groups * splits;
  if (batch > 65535)
    throw new ShapeError(
      `matmul (${label}): ${replicas} replicas x ${groups} groups x ${splits} splits = ${batch} workgroups along z, ` +
        'WebGPU allows 65535; use fewer replicas or groups',
    );
  return batch;
}

/** The kernels' words for a product, in addition to those of its operation. */
export function productWords(p: Product & { ranges: Ranges }) {
  return { splits: p.ranges.splits, kChunk: chunkOf(p) };
}

/** Length of a range of K. */
function chunkOf({ k, ranges: { kg, splits } }: Product & { ranges: Ranges }): number {
  return Math.ceil(k / (splits * kg) / 4) * 4;
}

export interface TiledProduct extends Replicated {
  ranges: Ranges;
  factors: string; // WGSL that reads memory and computes the factors
  oneHot: boolean; // whether they are those of matmul_onehot.wgsl
  vec4: boolean; // every stride and contiguous dimension is a multiple of 4
  constants: Readonly<Record<string, number>>;
}

export function tiledLaunch(p: TiledProduct, traits: AdapterTraits): Launch {
  const { kg, splits } = p.ranges;
  const { tile: chosen, ranges } = tileOf(p, p.ranges, p.replicas, traits);
  const { bm, bn, bk, tm, tn } = chosen;
  const threads = (bm / tm) * (bn / tn);
  const chunk = chunkOf(p);
  const exact = p.m % bm === 0 && p.n % bn === 0 && chunk % bk === 0 && p.k === chunk * splits * kg;
  const meet = rowsThatMeet(chosen);
  const tile = {
    BM: bm,
    BN: bn,
    BK: bk,
    QM: tm / 4,
    QN: tn / 4,
    WX: bn / tn,
    WY: bm / tm,
    KG: chosen.kg,
    ALONE: Number(chosen.kg === 1),
    SHARED: Number(chosen.kg > 1),
    OTHERS: chosen.kg - 1,
    MEET: meet,
    ROUNDS: 4 / meet,
    TURNS: Math.ceil(meet / chosen.kg),
    RANGES: ranges,
    TOTALS: Number(ranges > 1),
    FA: Math.ceil((bm * bk) / 16 / threads),
    FB: Math.ceil((bn * bk) / 16 / threads),
    DENSE: Number(!p.oneHot),
    ONE_HOT: Number(p.oneHot),
    PAD_A: Number(p.form !== 'TN'),
    PAD_B: Number(p.form === 'NT'),
  };
  return {
    shader: 'matmul_tiled',
    source: constantLines(tile) + p.factors + coreText + unroll(tiledSource, tile),
    constants: { ...p.constants, EXACT: Number(p.vec4 && exact) },
    workgroups: [Math.ceil(p.n / bn), Math.ceil(p.m / bm), p.replicas * p.groups * splits],
  };
}
