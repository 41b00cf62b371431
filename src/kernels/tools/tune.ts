/** Measures the tiles of matmul on one adapter and stores the winners. Tiles never change a result's bits, so neither does tuning. */
import { streamKey, threefry } from '../../core/threefry.js';
import type { GpuSession } from '../../gpu/device.js';
import type { AdapterTraits } from '../../gpu/dispatch.js';
import { PipelineCache } from '../../gpu/pipelines.js';
import { ProgramBuilder } from '../../plan/builder.js';
import type { LoadedProgram } from '../../plan/executor.js';
import type { Call } from '../../plan/types.js';
import { gpuExecutor } from '../index.js';
import { matmul, matmulOperation } from '../matmul.js';
import { halfKey, matrixRanges, matrixTileFits, matrixTileName, matrixTileOf } from '../shared/matmulMatrix.js';
import { matmulKey, type Product, rangesOf, type Tile, tileFits, tileName, tileOf } from '../shared/matmulTiles.js';

/** One product of a plan, in `replicas` replicas. */
export interface TuneShape extends Product {
  replicas: number;
  half?: boolean; // factors rounded to f16, on matrix units
}

export interface TuneResult extends TuneShape {
  byTable: string; // the tile without tuning
  variants: { tile: string; us: number; wrong?: boolean }[]; // fastest first, wrong ones last
}

/** Tiles worth trying on a GPU: from many small workgroups to few large ones. */
export const tileCandidates: readonly Omit<Tile, 'kg'>[] = [
  [128, 128, 16, 8, 16],
  [128, 128, 16, 8, 8],
  [128, 64, 16, 8, 8],
  [64, 128, 16, 8, 8],
  [64, 64, 16, 8, 8],
  [64, 64, 32, 8, 8],
  [64, 64, 16, 8, 4],
  [64, 64, 32, 8, 4],
  [64, 32, 16, 8, 4],
  [64, 32, 32, 8, 4],
  [32, 64, 32, 4, 8],
  [32, 32, 32, 8, 4],
  [32, 32, 32, 4, 4],
  [32, 32, 64, 4, 4],
  [32, 32, 8, 4, 4],
].map(([bm, bn, bk, tm, tn]) => ({ bm, bn, bk, tm, tn }));

/** Names a product in the tuning cache. */
export function tuneKey(shape: TuneShape): string {
  return shape.half ? halfKey(shape, shape.replicas) : matmulKey(shape, shape.replicas);
}

/** The different products among the calls of a plan. */
export function productsOf(calls: readonly Call[]): TuneShape[] {
  const found = new Map<string, TuneShape>();
  for (const call of calls.filter(({ op }) => op === matmulOperation.op)) {
    const { params, replicas } = matmulOperation.typed(call);
    const { form, groups, m, n, k, half } = params;
    const shape: TuneShape = { form, groups, m, n, k, replicas, ...(half && { half }) };
    found.set(tuneKey(shape), shape);
  }
  return [...found.values()];
}

/**
 * Times every tile for each shape, after checking it: a tile whose result differs by more than rounding from sums computed on the
 * host is marked wrong and never wins.
 */
export async function tuneMatmul(
  session: GpuSession,
  shapes: readonly TuneShape[],
  report: (line: string) => void = () => {},
): Promise<{ results: TuneResult[]; winners: Map<string, string> }> {
  const results: TuneResult[] = [];
  const winners = new Map<string, string>();
  const pipelines = new PipelineCache(session);
  const { traits } = gpuExecutor(session);
  for (const shape of shapes) {
    const key = tuneKey(shape);
    const ranges = shape.half ? matrixRanges(shape, traits) : rangesOf(shape, traits);
    // All are compiled first and timed in turn: a GPU that idles between two measurements lowers its clock.
    const trials: Trial[] = [];
    try {
      for (const tile of shape.half
        ? halfCandidates(shape, ranges.kg, traits)
        : namedCandidates(shape, ranges.kg, traits)) {
        const executor = gpuExecutor(session, new Map([[key, tile]]), undefined, pipelines);
        const builder = new ProgramBuilder(shape.replicas);
        const tensors = build(builder, shape);
        trials.push({ tile, loaded: await executor.load(builder.build()), tensors, rounds: [] });
      }
      const values = { a: noise(sizeOf(shape, 'a'), 1), b: noise(sizeOf(shape, 'b'), 2) };
      for (const trial of trials) {
        trial.loaded.write(trial.tensors.a, values.a);
        trial.loaded.write(trial.tensors.b, values.b);
        await trial.loaded.run('product');
        trial.wrong = differs(shape, values, await trial.loaded.read(trial.tensors.c));
      }
      await timeAll(trials, shape);
    } finally {
      for (const { loaded } of trials) loaded.destroy();
    }
    const variants: TuneResult['variants'] = trials.map(({ tile, wrong, rounds }) => {
      const us = rounds.sort((x, y) => x - y)[rounds.length >> 1];
      return { tile, us, ...(wrong && { wrong }) };
    });
    variants.sort((x, y) => Number(x.wrong ?? false) - Number(y.wrong ?? false) || x.us - y.us);
    if (variants.length && !variants[0].wrong) winners.set(key, variants[0].tile);
    const halfTile = shape.half ? matrixTileOf(shape, ranges, shape.replicas, traits) : undefined;
    const byTable = halfTile ? matrixTileName(halfTile) : tileName(tileOf(shape, ranges, shape.replicas, traits).tile);
    results.push({ ...shape, byTable, variants });
    report(line(results[results.length - 1]));
  }
  return { results, winners };
}

function namedCandidates(shape: TuneShape, kg: number, traits: AdapterTraits): string[] {
  return candidatesFor(shape, kg)
    .filter((tile) => tileFits(tile, traits))
    .map(tileName);
}

/** Tiles for matrix units: rows x columns x depth of a workgroup, rows x columns of a subgroup. */
const matrixCandidates = [
  [128, 256, 32, 64, 64],
  [256, 128, 32, 64, 64],
  [128, 128, 32, 64, 64],
  [128, 128, 32, 64, 32],
  [128, 64, 32, 64, 32],
  [64, 128, 32, 32, 64],
  [64, 64, 64, 32, 32],
  [64, 64, 32, 32, 32],
  [32, 64, 64, 16, 32],
  [64, 32, 64, 32, 16],
  [32, 32, 64, 16, 16],
].map(([bm, bn, bk, sm, sn]) => ({ bm, bn, bk, sm, sn }));

function halfCandidates(shape: TuneShape, kg: number, traits: AdapterTraits): string[] {
  return matrixCandidates
    .filter(({ bm, bn }) => bm < 2 * shape.m && bn < 2 * shape.n)
    .map((tile) => ({ ...tile, kg }))
    .filter((tile) => matrixTileFits(shape, tile, traits))
    .map(matrixTileName);
}

/** Tiles that are neither far larger nor far smaller than the product. kg ranges of K: by thread groups, or in turn. */
function candidatesFor({ m, n, groups, replicas }: TuneShape, kg: number): Tile[] {
  const count = ({ bm, bn }: { bm: number; bn: number }) => Math.ceil(m / bm) * Math.ceil(n / bn) * groups * replicas;
  const most = Math.max(...tileCandidates.map(count));
  return tileCandidates
    .filter((t) => t.bm < 2 * m && t.bn < 2 * n && (most < 64 || count(t) >= 32) && count(t) <= 16384)
    .flatMap((t) => [...new Set([kg, 1])].map((thread) => ({ ...t, kg: thread })))
    .filter((t) => t.kg === kg || t.tm * t.tn <= 64);
}

function line({ form, groups, m, n, k, replicas, byTable, variants }: TuneResult): string {
  const rate = (us: number) => ((2 * m * n * k * groups * replicas) / us / 1e6).toFixed(1);
  const show = ({ tile, us, wrong }: TuneResult['variants'][number]) =>
    `${tile} ${us.toFixed(1)} us ${rate(us)} TFLOP/s${wrong ? ' WRONG' : ''}`;
  const old = variants.find(({ tile }) => tile === byTable);
  return `${form} ${replicas} x ${groups} x ${m} x ${n} x ${k}: ${variants.slice(0, 3).map(show).join(', ')}; by table ${old ? show(old) : byTable}`;
}

interface Trial {
  tile: string;
  loaded: LoadedProgram;
  tensors: ReturnType<typeof build>;
  wrong?: boolean;
  rounds: number[]; // microseconds per product
}

/** The product several times over, each with separate memory: within a training step its factors are not in a cache either. */
function build(builder: ProgramBuilder, shape: TuneShape) {
  const { form, groups, m, n, k, half } = shape;
  const plan = builder.plan('product');
  const sets = Array.from({ length: setsOf(shape) }, (_, i) => {
    const a = builder.persistent(`a${i}`, [groups, ...(form === 'TN' ? [k, m] : [m, k])]);
    const b = builder.persistent(`b${i}`, [groups, ...(form === 'NT' ? [n, k] : [k, n])]);
    const c = builder.persistent(`c${i}`, [groups, m, n]);
    const views = { a: { tensor: a }, b: { tensor: b }, c: { tensor: c } };
    matmul(plan, { label: 'tune', form, groups, m, n, k, half, ...views });
    return { a, b, c };
  });
  return sets[0];
}

/** Together three times the largest cache of a GPU, but at most a dozen. */
function setsOf({ groups, m, n, k, replicas }: TuneShape): number {
  return Math.min(12, Math.ceil(150e6 / (4 * replicas * groups * (m * k + k * n + m * n))));
}

function sizeOf({ groups, m, n, k, replicas }: TuneShape, factor: 'a' | 'b'): number {
  return replicas * groups * k * (factor === 'a' ? m : n);
}

/**
 * Five rounds over all, each about 4 ms of work, after 100 ms that warm the clock up, one round that is discarded and one that
 * drops tiles that are far slower.
 */
async function timeAll(trials: readonly Trial[], shape: TuneShape): Promise<void> {
  const { m, n, k, groups, replicas } = shape;
  const sets = setsOf(shape);
  const repeats = Math.max(2, Math.min(400, Math.round(1e11 / (2 * m * n * k * groups * replicas * sets))));
  let running = trials.filter(({ wrong }) => !wrong);
  for (const start = performance.now(); running.length && performance.now() - start < 100; ) {
    await running[0].loaded.run('product', repeats);
    await running[0].loaded.finish();
  }
  const round = async () => {
    for (const { loaded, rounds } of running) {
      const start = performance.now();
      await loaded.run('product', repeats);
      await loaded.finish();
      rounds.push(((performance.now() - start) * 1000) / (repeats * sets));
    }
  };
  const forget = () => {
    for (const { rounds } of running) rounds.length = 0;
  };
  await round(); // for some tiles the first is up to five times slower than the others
  forget();
  await round();
  const best = Math.min(...running.map(({ rounds }) => rounds[0]));
  running = running.filter(({ rounds }) => rounds[0] <= 1.5 * best);
  forget();
  for (let i = 0; i < 5; i++) await round();
}

/** Uniform in [-1, 1]. */
function noise(length: number, seed: number): Float32Array {
  const key = streamKey(seed, 'init');
  const block = Math.min(length, 65521); // a prime: the pattern of rows never coincides with a tile
  const values = new Float32Array(length);
  for (let i = 0; i < block; i++) values[i] = threefry(key, i, 0)[0] / 2 ** 31 - 1;
  for (let i = block; i < length; i += block) values.copyWithin(i, 0, Math.min(block, length - i));
  return values;
}

/**
 * Compares sampled elements with float64 sums. An f32 sum of k products of numbers up to 1 has an error below 2^-22 k; with factors
 * rounded to f16 each product adds less than 2^-10.
 */
function differs(
  { form, groups, m, n, k, replicas, half }: TuneShape,
  { a, b }: { a: Float32Array; b: Float32Array },
  c: ArrayLike<number>,
): boolean {
  const batch = groups * replicas;
  for (let sample = 0; sample < 400; sample++) {
    const index = Number((BigInt(sample) * 2654435761n + 12345n) % BigInt(batch * m * n));
    const [g, i, j] = [Math.floor(index / (m * n)), Math.floor(index / n) % m, index % n];
    let sum = 0;
    for (let x = 0; x < k; x++)
      sum +=
        a[g * m * k + (form === 'TN' ? x * m + i : i * k + x)] * b[g * n * k + (form === 'NT' ? j * k + x : x * n + j)];
    if (!(Math.abs(c[index] - sum) <= k * (half ? 2 ** -10 : 2 ** -22))) return true;
  }
  return false;
}
