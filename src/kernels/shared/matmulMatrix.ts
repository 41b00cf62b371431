/** Products with half-precision factors: the kernel for matrix units, its tiles, and their choice. */
import halfSource from '../../../shaders/half.wgsl';
import matrixSource from '../../../shaders/matmul_matrix.wgsl';
import roundSource from '../../../shaders/matmul_round.wgsl';
import type { MatrixUnits } from '../../gpu/device.js';
import { type AdapterTraits, linearGrid, read, variantOf, write } from '../../gpu/dispatch.js';
import { constantLines, unroll } from '../../gpu/unroll.js';
import { elementsPerReplica, type Tensor } from '../../plan/types.js';
import { coreText, type Replicated } from './matmulTiled.js';
import { type Form, matmulKey, type Product, type Ranges } from './matmulTiles.js';
import type { Launch } from './operation.js';
import { scaling as scalingNames, wordConstants } from './words.js';

/** rows x columns x depth per workgroup, rows x columns per subgroup, groups of subgroups along K. */
export interface MatrixTile {
  bm: number;
  bn: number;
  bk: number;
  sm: number;
  sn: number;
  kg: number;
}

/** Written m128x128x32/64x64/k1. */
export function matrixTileName({ bm, bn, bk, sm, sn, kg }: MatrixTile): string {
  return `m${bm}x${bn}x${bk}/${sm}x${sn}/k${kg}`;
}

export function parseMatrixTile(name: string): MatrixTile | undefined {
  const found = /^m(\d+)x(\d+)x(\d+)\/(\d+)x(\d+)\/k(\d+)$/.exec(name);
  if (!found) return undefined;
  const [bm, bn, bk, sm, sn, kg] = found.slice(1).map(Number);
  return { bm, bn, bk, sm, sn, kg };
}

const SUBGROUP = 32;
const SPARE_HALVES = 8; // padding after a row of a tile, 16 bytes
const SPARE_FLOATS = 4; // padding after a row of results

const threadsOf = ({ bm, bn, sm, sn, kg }: MatrixTile) => SUBGROUP * (bm / sm) * (bn / sn) * kg;

const stageBytes = (units: MatrixUnits) => 4 * units.m * (units.n + SPARE_FLOATS);
const subgroupsOf = (t: MatrixTile) => threadsOf(t) / SUBGROUP;

/** Bytes of workgroup memory for the factors. */
function factorBytes(p: Pick<Product, 'form'>, t: MatrixTile): number {
  const [a, b] = storedRows(p, t);
  return t.kg * (2 * a.rows * (a.columns + SPARE_HALVES) + 2 * b.rows * (b.columns + SPARE_HALVES));
}

/**
 * How many turns subgroups take with their results: as few as allow a multiprocessor as many workgroups as its registers do.
 * NVIDIA's Vulkan driver gives the workgroups of a multiprocessor of an H200 some 48 KiB, whatever they request.
 */
function turnsOf(p: Pick<Product, 'form'>, t: MatrixTile, units: MatrixUnits): number {
  const staged = ((t.bm + t.bn) * t.bk * t.kg) / threadsOf(t);
  const registers = Math.min(255, (t.sm * t.sn) / SUBGROUP + staged + 64);
  const most = Math.floor(65536 / (registers * threadsOf(t)));
  const groups = subgroupsOf(t) / t.kg;
  const choices = [1, 2, 4].filter((turns) => groups % turns === 0);
  const resident = (turns: number) =>
    Math.min(most, Math.floor(49152 / (factorBytes(p, t) + (stageBytes(units) * subgroupsOf(t)) / turns)));
  return choices.reduce((best, turns) => (resident(turns) > resident(best) ? turns : best));
}

/** Slices of the factors as stored in memory. */
function storedRows({ form }: Pick<Product, 'form'>, { bm, bn, bk }: MatrixTile) {
  return [
    form === 'TN' ? { rows: bk, columns: bm } : { rows: bm, columns: bk },
    form === 'NT' ? { rows: bn, columns: bk } : { rows: bk, columns: bn },
  ];
}

/** Whether a tile can be built for a product: whole blocks, whole quads per thread, within the adapter's limits. */
export function matrixTileFits(p: Pick<Product, 'form'>, t: MatrixTile, traits: AdapterTraits): boolean {
  const units = traits.matrixUnits;
  if (!units) return false;
  const whole = [
    t.bm / t.sm,
    t.bn / t.sn,
    t.sm / units.m,
    t.sn / units.n,
    t.bk / units.k,
    ((t.bm * t.bk) / (4 * threadsOf(t))) * t.kg,
    ((t.bn * t.bk) / (4 * threadsOf(t))) * t.kg,
  ];
  return (
    whole.every((x) => Number.isInteger(x) && x >= 1) &&
    threadsOf(t) <= traits.maxInvocations &&
    factorBytes(p, t) + (stageBytes(units) * subgroupsOf(t)) / turnsOf(p, t, units) <= traits.maxWorkgroupStorageBytes
  );
}

const rangeNames = [1, 2, 4].flatMap((kg) => [1, 2, 4, 8, 16].map((splits) => `k${kg}s${splits}`));

/** Ranges of K, from the shape of one replica alone, so that a replica's bits depend neither on its neighbours nor on `rhm tune`. */
export function matrixRanges(p: Product, traits: AdapterTraits): Ranges {
  const { kg, splits } = usualRanges(p);
  const [, k, s] = /^k(\d+)s(\d+)$/.exec(variantOf(traits, 'matmulRanges', rangeNames, `k${kg}s${splits}`))!;
  return { kg: Number(k), splits: Number(s) };
}

function usualRanges(p: Product): Ranges {
  const tiles = Math.ceil(p.m / 64) * Math.ceil(p.n / 64) * p.groups;
  // Long sums into few tiles: splits over workgroups, at the cost of a second dispatch.
  if (p.k >= 4096 && tiles < 264) return { kg: 1, splits: tiles <= 16 || p.k >= 16384 ? 8 : 4 };
  if (p.k >= 2048 && tiles <= 64) return { kg: tiles <= 16 ? 2 : 1, splits: 4 };
  // Groups inside a workgroup while the tiles leave a GPU half idle. Four of them would be a tenth faster with 32 tiles or fewer, but
  // make 16 replicas of such a product a third slower.
  return { kg: tiles <= 128 && p.k >= 256 ? 2 : 1, splits: 1 };
}

/**
 * Largest first; `enough`: number of workgroups from which a tile pays. Measured on an NVIDIA H200 with factors that fit in no cache,
 * TFLOP/s at 4096 x 512 x 1024, once and in 16 replicas: 128x128x32/64x32 104 and 141, 128x128x32/64x64 94 and 192, 64x64x64/32x32 95
 * and 127. NT at 4096 x 1024 x 512: 128x256x32/64x64 136 and 179, 128x128x32/64x64 125 and 157.
 */
const tiles: readonly (Omit<MatrixTile, 'kg'> & { enough: number; forms?: readonly Form[] })[] = [
  { bm: 128, bn: 256, bk: 32, sm: 64, sn: 64, enough: 128, forms: ['NT'] },
  { bm: 128, bn: 128, bk: 32, sm: 64, sn: 64, enough: 190 },
  { bm: 128, bn: 128, bk: 32, sm: 64, sn: 32, enough: 96 },
  { bm: 64, bn: 64, bk: 64, sm: 32, sn: 32, enough: 120 },
  { bm: 64, bn: 64, bk: 32, sm: 32, sn: 32, enough: 250 }, // four ranges of the one above do not fit
  { bm: 32, bn: 64, bk: 64, sm: 16, sn: 32, enough: 100 },
  { bm: 32, bn: 32, bk: 64, sm: 16, sn: 16, enough: 0 },
  { bm: 32, bn: 32, bk: 32, sm: 16, sn: 16, enough: 0 }, // little workgroup memory
];

/** The tile for a product; undefined if the adapter's units fit none. `rhm tune` measures and overrides the table. */
export function matrixTileOf(
  p: Product,
  { kg, splits }: Ranges,
  replicas: number,
  traits: AdapterTraits,
): MatrixTile | undefined {
  const tuned = parseMatrixTile(traits.tuned?.get(halfKey(p, replicas)) ?? '');
  if (tuned?.kg === kg && matrixTileFits(p, tuned, traits)) return tuned;
  for (const { enough, forms, ...shape } of tiles) {
    if (forms && !forms.includes(p.form)) continue;
    const tile = { ...shape, kg };
    const count = Math.ceil(p.m / tile.bm) * Math.ceil(p.n / tile.bn) * p.groups * replicas * splits;
    const wasteful = (tile.bm > 32 && p.m <= tile.bm / 2) || (tile.bn > 32 && p.n <= tile.bn / 2);
    if (count >= enough && !wasteful && matrixTileFits(p, tile, traits)) return tile;
  }
  return undefined;
}

/** Names a product with half-precision factors in the tuning cache. */
export function halfKey(p: Product, replicas: number): string {
  return matmulKey(p, replicas).replace('matmul:', 'matmul:f16:');
}

/** Length of a range of K: a multiple of the units' depth. */
export const matrixChunk = ({ k }: Product, { kg, splits }: Ranges) => Math.ceil(k / (splits * kg) / 16) * 16;

/** Which tensors of a product are stored as f16. */
export interface Stored {
  a?: boolean;
  b?: boolean;
  mask?: boolean;
  c?: boolean;
}

/** As constants of a text: which parts of matmul_vec4.wgsl are kept. */
export function storedFlags(stored: Stored): Record<string, number> {
  const names = ['a', 'b', 'mask', 'c'] as const;
  return Object.fromEntries(
    names.flatMap((name) => [
      [`HALF_${name.toUpperCase()}`, Number(!!stored[name])],
      [`FULL_${name.toUpperCase()}`, Number(!stored[name])],
    ]),
  );
}

export interface MatrixProduct extends Replicated {
  ranges: Ranges;
  access: string; // WGSL that reads memory
  stored: Stored;
  vec4: boolean; // every stride and contiguous dimension is a multiple of 4
  checks: { a: boolean; b: boolean }; // factors that are checked for numbers that do not fit
  constants: Readonly<Record<string, number>>;
}

export function matrixLaunch(p: MatrixProduct, tile: MatrixTile, units: MatrixUnits): Launch {
  const { kg, splits } = p.ranges;
  const [a, b] = storedRows(p, tile);
  const { bm, bn, bk, sm, sn } = tile;
  const group = threadsOf(tile) / kg;
  const chunk = matrixChunk(p, p.ranges);
  const exact = p.m % bm === 0 && p.n % bn === 0 && chunk % bk === 0 && p.k === chunk * splits * kg;
  const numbers = {
    ...{ BM: bm, BN: bn, BK: bk, MM: units.m, MN: units.n, MK: units.k },
    ...{ FI: sm / units.m, FJ: sn / units.n, SX: bn / sn, SY: bm / sm, KG: kg, OTHERS: kg - 1, KSTEPS: bk / units.k },
    ...{ ROWS_A: a.rows, COLS_A: a.columns, LD_A: a.columns + SPARE_HALVES, VA: (bm * bk) / 4 / group },
    ...{ ROWS_B: b.rows, COLS_B: b.columns, LD_B: b.columns + SPARE_HALVES, VB: (bn * bk) / 4 / group },
    ...{ STEP_A: (4 * group) / a.columns, STEP_B: (4 * group) / b.columns },
    ...{ LD_STAGE: units.n + SPARE_FLOATS, ITEMS: Math.max(1, (units.m * units.n) / (4 * SUBGROUP * kg)) },
    TURNS: turnsOf(p, tile, units),
    ...{ TA: Number(p.form === 'TN'), ALONG_A: Number(p.form !== 'TN') },
    ...{ TB: Number(p.form === 'NT'), ALONG_B: Number(p.form !== 'NT') },
    ...{ CHECK_A: Number(p.checks.a), CHECK_B: Number(p.checks.b), CHECKS: Number(p.checks.a || p.checks.b) },
    ...storedFlags(p.stored),
  };
  return {
    shader: 'matmul_matrix',
    enable:
      'f16;\nenable subgroups;\nenable chromium_experimental_subgroup_matrix;\n' +
      'diagnostic(off, chromium.subgroup_matrix_uniformity)',
    source: constantLines(numbers) + wordConstants(scalingNames) + p.access + coreText + unroll(matrixSource, numbers),
    constants: { ...p.constants, EXACT: Number(p.vec4 && exact) },
    workgroups: [Math.ceil(p.n / bn), Math.ceil(p.m / bm), p.replicas * p.groups * splits],
  };
}

/** Rounds a factor into scratch, for adapters without matrix units. */
export function roundLaunch(factor: Tensor, rounded: Tensor, scaling: Tensor | undefined): Launch {
  const elements = elementsPerReplica(factor);
  const numbers = { FLAGS: Number(!!scaling) };
  return {
    shader: 'matmul_round',
    source: wordConstants(scalingNames) + halfSource + unroll(roundSource, numbers),
    words: { elements },
    bind: { factor: read(factor), rounded: write(rounded), ...flagsOf(scaling) },
    workgroups: linearGrid(Math.ceil((elements * factor.shape[0]) / 64)),
  };
}

/** The binding through which overflows are reported, if there is one. */
export const flagsOf = (scaling: Tensor | undefined) => (scaling ? { scaling: write(scaling, 'atomic<u32>') } : {});
