/** Tiles of the matmul kernel for GPUs: names, limits, and the choice for a product. */
import type { AdapterTraits } from '../../gpu/dispatch.js';

export type Form = 'NN' | 'NT' | 'TN';

/** One product, without its epilogue. */
export interface Product {
  form: Form;
  groups: number;
  m: number;
  n: number;
  k: number;
}

/** A tile of the GPU kernel: rows x columns x depth per workgroup, rows x columns per thread, thread groups along K. */
export interface Tile {
  bm: number;
  bn: number;
  bk: number;
  tm: number;
  tn: number;
  kg: number;
}

type Shape = Omit<Tile, 'kg'>;

/** Written 128x64x16/8x8/k2: tile, rows x columns per thread, groups along K. */
export function tileName(t: Tile): string {
  return `${t.bm}x${t.bn}x${t.bk}/${t.tm}x${t.tn}/k${t.kg}`;
}

export function parseTile(name: string): Tile | undefined {
  const found = /^(\d+)x(\d+)x(\d+)\/(\d+)x(\d+)\/k(\d+)$/.exec(name);
  if (!found) return undefined;
  const [bm, bn, bk, tm, tn, kg] = found.slice(1).map(Number);
  return { bm, bn, bk, tm, tn, kg };
}

/** Bytes of workgroup memory, including the spare columns. */
export function tileBytes({ bm, bn, bk, kg }: Tile): number {
  return 4 * kg * bk * (bm + 4 + bn + 4);
}

/** Whether a tile can be built: within the adapter's limits, and with a row of the groups' sums fitting in the memory of A's tile. */
export function tileFits(t: Tile, traits: AdapterTraits): boolean {
  const threads = (t.bm / t.tm) * (t.bn / t.tn) * t.kg;
  return (
    threads >= 32 &&
    threads <= traits.maxInvocations &&
    tileBytes(t) <= traits.maxWorkgroupStorageBytes &&
    (t.kg === 1 || rowsThatMeet(t) > 0)
  );
}

/** Rows of a quad (4, 2 or 1; 0: none) for which the sums of all thread groups fit in the memory of A's tile. */
export function rowsThatMeet({ bm, bn, bk, tm, tn }: Tile): number {
  const room = (bk * (bm / 4)) / ((bm / tm) * (bn / tn));
  return [4, 2, 1].find((rows) => rows <= room) ?? 0;
}

/** Ranges into which K is cut: thread groups of a workgroup, and workgroups. */
export interface Ranges {
  kg: number;
  splits: number;
}

/**
 * Ranges into which K is cut: thread groups of a workgroup, then splits over workgroups. Depends only on the shape of one
 * replica, so that a replica's bits depend neither on its neighbours nor on `rhm tune`.
 */
export function rangesOf(p: Product, traits: AdapterTraits): Ranges {
  if (traits.software) return { kg: 1, splits: 1 };
  const tiles = (side: number) => Math.ceil(p.m / side) * Math.ceil(p.n / side) * p.groups;
  // Long sums into few tiles of the better size: four workgroups per multiprocessor, each with a power of two of K's tiles.
  if (p.k >= 2048 && tiles(64) < 264) {
    const splits = Math.min(2 ** Math.ceil(Math.log2(512 / tiles(64))), 2 ** Math.floor(Math.log2(p.k / 512)));
    return { kg: 1, splits: Math.min(16, splits) };
  }
  // The largest tiles, one per multiprocessor: two groups of threads hide each other's loads.
  if (isLongAndWide(p)) return { kg: 2, splits: 1 };
  // Groups inside a workgroup cost little, but a replica among many must add up its ranges one by one: used only while the
  // smallest tiles give fewer than two workgroups per multiprocessor.
  const wanted = Math.min(256 / tiles(32), p.k / 64);
  const kg = wanted >= 4 ? 4 : wanted >= 2 ? 2 : 1;
  // Splits over workgroups cost a second dispatch: used only for long sums into few tiles.
  const splits = Math.floor(Math.min(264 / tiles(32), p.k / (kg * 512)));
  return { kg, splits: Math.max(1, Math.min(16, splits)) };
}

/** 4096 x 512 x 1536 (NT) takes 191 us in two ranges of K with 128x128x16/8x16/k2 on an H200, 198 us in one with 64x64x16/8x8. */
function isLongAndWide(p: Product): boolean {
  const tiles = Math.ceil(p.m / 128) * Math.ceil(p.n / 128) * p.groups;
  return p.k >= 1536 && tiles >= 100 && tiles <= 132;
}

/** A tile and the ranges of K that each of its thread groups adds up. */
export interface Choice {
  tile: Tile;
  ranges: number;
}

/**
 * The choice by table; `rhm tune` measures and overrides it. Ranges of K are added in a fixed order, so they may be divided among
 * thread groups (few workgroups) or taken one after the other (many) without changing a bit.
 */
export function tileOf(p: Product, { kg: ranges, splits }: Ranges, replicas: number, traits: AdapterTraits): Choice {
  const tuned = parseTile(traits.tuned?.get(matmulKey(p, replicas)) ?? '');
  if (tuned && (tuned.kg === ranges || (tuned.kg === 1 && tuned.tm * tuned.tn <= 64)) && tileFits(tuned, traits))
    return { tile: tuned, ranges: ranges / tuned.kg };
  const workgroups = (t: Shape) => Math.ceil(p.m / t.bm) * Math.ceil(p.n / t.bn) * replicas * p.groups * splits;
  // A tile is not deeper than a range of K. For the larger tiles a multiprocessor takes longer to read the code than to add up 32
  // terms: 128 x 512 x 16 in 16 replicas takes 17 us with 64x64 tiles on an H100, 8 us with 32x32.
  const fits = (t: Shape) =>
    p.m > t.bm / 2 &&
    p.n > t.bn / 2 &&
    (t.bn >= 32 || p.n <= t.bn) &&
    t.bk <= Math.max(8, p.k / ranges) &&
    (p.k > 32 || t.bm <= 32);
  const largest = { ...defaultTiles[0], kg: 2 };
  if (ranges === 2 && isLongAndWide(p) && tileFits(largest, traits)) return { tile: largest, ranges: 1 };
  for (const { enough, ...shape } of defaultTiles.filter(fits)) {
    const count = workgroups(shape);
    const alone = { ...shape, kg: 1 };
    const shared = { ...shape, kg: ranges };
    // Ranges taken one after the other double the sums in registers, which is too much for the largest tiles, and leave a
    // workgroup fewer threads: used only if there are twice as many workgroups.
    const many = ranges > 1 ? count >= 2 * enough && shape.bm < 128 : count >= enough;
    if (many && tileFits(alone, traits)) {
      // The largest tile leaves a multiprocessor two workgroups of four warps: for it a half-empty last round costs most.
      const rounds = count / 264;
      if (shape.tn < 16 || rounds >= 4 || rounds >= 0.85 * Math.ceil(rounds)) return { tile: alone, ranges };
    } else if (count >= 128 && (shape.bm === 32 || (shape.bm === 64 && ranges > 1)) && tileFits(shared, traits)) {
      return { tile: shared, ranges: 1 };
    }
  }
  // Half the rows per workgroup if a GPU would otherwise be half idle: 128 x 512 x 1024 takes 19 us instead of 23 on an H100.
  const flat = { bm: 16, bn: 32, bk: 32, tm: 4, tn: 4, kg: ranges };
  if (workgroups(flat) <= 128 && fits(flat) && tileFits(flat, traits)) return { tile: flat, ranges: 1 };
  const smallest = defaultTiles
    .filter((t) => t.bm === 32)
    .map(({ enough: _, ...t }) => ({ ...t, kg: ranges }))
    .filter((t) => tileFits(t, traits));
  return { tile: smallest.find(fits) ?? smallest[0], ranges: 1 };
}

/**
 * Largest first; `enough`: number of workgroups from which a tile pays. Measured on an NVIDIA H200 (132 multiprocessors), TFLOP/s
 * at 4096^3 and 16 x (512 x 512 x 1024): 128x128x16/8x16 46 and 44, 64x64x16/8x8 43 and 34 (38 and 36 with ranges in turn).
 */
const defaultTiles: readonly (Shape & { enough: number })[] = [
  { bm: 128, bn: 128, bk: 16, tm: 8, tn: 16, enough: 240 },
  { bm: 128, bn: 128, bk: 16, tm: 8, tn: 8, enough: 340 },
  { bm: 64, bn: 64, bk: 16, tm: 8, tn: 8, enough: 240 },
  { bm: 64, bn: 64, bk: 32, tm: 8, tn: 4, enough: 120 },
  { bm: 32, bn: 32, bk: 32, tm: 4, tn: 4, enough: 200 },
  { bm: 32, bn: 16, bk: 32, tm: 4, tn: 4, enough: 200 },
  { bm: 32, bn: 32, bk: 16, tm: 4, tn: 4, enough: Infinity }, // short sums, or an adapter with little workgroup memory
  { bm: 32, bn: 32, bk: 8, tm: 4, tn: 4, enough: Infinity },
];

/** Rows and columns that a lane sums in the kernel for software drivers with subgroups. */
export interface LanesTile {
  lanes: number;
  tm: number;
  tn: number;
}

/**
 * The cheapest tile by a count of instructions, 13 for each lane's load, 5 for each product and sum of all lanes, over two cores;
 * undefined without subgroups. A tile changes no bits. With vectors of 4 lanes at most 32 sums: SwiftShader takes seconds to
 * compile more (32 x 4: 2.2 s, 8 x 4: 0.4 s) and gains nothing.
 */
export function lanesTileOf(p: Product, replicas: number, { subgroupSize }: AdapterTraits): LanesTile | undefined {
  if (subgroupSize !== 4 && subgroupSize !== 8) return undefined;
  const instructions = ({ tm, tn }: LanesTile) => {
    const workgroups = Math.ceil(p.m / tm) * Math.ceil(p.n / (tn * subgroupSize)) * p.groups * replicas;
    const loads = tm / subgroupSize + tn;
    return Math.max(2, workgroups) * (13 * subgroupSize * loads + 5 * tm * tn);
  };
  const tiles = [8, 16, 32].flatMap((tm) => [1, 2, 4].map((tn) => ({ lanes: subgroupSize, tm, tn })));
  const allowed = tiles.filter(({ tm, tn }) => subgroupSize === 8 || tm * tn <= 32);
  return allowed.reduce((best, tile) => (instructions(tile) < instructions(best) ? tile : best));
}

/** Names a product in the tuning cache. */
export function matmulKey(p: Product, replicas: number): string {
  return `matmul:${p.form}:${replicas}*${p.groups}x${p.m}x${p.n}x${p.k}`;
}
