/** Measures matmul variants on one adapter and keeps the winners. */
import { streamKey, threefry } from '../core/threefry.js';
import type { GpuSession } from '../gpu/device.js';
import { ProgramBuilder } from '../plan/builder.js';
import type { LoadedProgram } from '../plan/executor.js';
import { gpuExecutor } from './index.js';
import { matmul } from './matmul.js';
import { type Form, matmulKey, type Tile, tileFits, tileName } from './matmulTiles.js';

export interface TuneShape {
  form: Form;
  m: number;
  n: number;
  k: number;
  replicas: number;
}

export interface TuneResult extends TuneShape {
  variants: { tile: string; ranges: string; us: number; wrong?: boolean }[]; // fastest first
}

/** Tiles worth a try on a GPU: from many small workgroups to few large ones. */
export const tileCandidates: readonly Omit<Tile, 'kg'>[] = [
  [128, 128, 16, 8, 16],
  [128, 128, 16, 8, 8],
  [128, 64, 16, 8, 8],
  [128, 64, 16, 8, 4],
  [64, 128, 16, 8, 8],
  [64, 64, 16, 8, 8],
  [64, 64, 16, 8, 4],
  [64, 64, 32, 8, 8],
  [64, 64, 32, 8, 4],
  [64, 32, 16, 8, 4],
  [64, 32, 32, 8, 4],
  [32, 64, 32, 4, 8],
  [32, 32, 16, 4, 4],
  [32, 32, 32, 4, 4],
  [32, 32, 64, 4, 4],
  [32, 32, 8, 4, 4],
].map(([bm, bn, bk, tm, tn]) => ({ bm, bn, bk, tm, tn }));

const RANGES = [
  [1, 1],
  [2, 1],
  [4, 1],
  [8, 1],
  [2, 2],
  [4, 2],
  [4, 4],
];

/**
 * Times every variant of each shape, correctness first: a variant whose result differs from the first one's by more than
 * rounding is marked wrong and never wins. `ranges` fixes (groups, splits) of K, as a cache already holds them.
 */
export async function tuneMatmul(
  session: GpuSession,
  shapes: readonly TuneShape[],
  report: (line: string) => void = () => {},
): Promise<{ results: TuneResult[]; winners: Map<string, string> }> {
  const results: TuneResult[] = [];
  const winners = new Map<string, string>();
  for (const shape of shapes) {
    const { form, m, n, k, replicas } = shape;
    const key = { form, m, n, k, groups: 1 };
    const fixed = winners.get(matmulKey(key));
    // All are compiled first and timed in turn: a GPU that idles between two measurements lowers its clock.
    const products: Prepared[] = [];
    try {
      for (const [kg, splits] of RANGES) {
        if (fixed && fixed !== `k${kg}x${splits}`) continue;
        if (k < 32 * kg * splits || (m * n * splits > 2 ** 21 && splits > 1)) continue;
        // Ranges of K shared out to thread groups, or taken one after the other.
        for (const tile of tileCandidates.flatMap((t) =>
          [...new Set([kg, 1])].map((groups) => ({ ...t, kg: groups })),
        )) {
          if (tile.kg === 1 && kg > 1 && tile.tm * tile.tn > 64) continue;
          if (!tileFits(tile, gpuExecutor(session).traits) || tile.bm >= 2 * m || tile.bn >= 2 * n) continue;
          const tuned = new Map([
            [matmulKey(key), `k${kg}x${splits}`],
            [matmulKey(key, replicas), tileName(tile)],
          ]);
          products.push(await prepare(session, shape, tuned, tileName(tile), `k${kg}x${splits}`));
        }
      }
      await timeAll(products, shape);
    } finally {
      for (const { loaded } of products) loaded.destroy();
    }
    const variants: TuneResult['variants'] = products.map(({ tile, ranges, result, rounds }) => {
      const wrong = differs(result, products[0].result, k);
      const us = rounds.sort((x, y) => x - y)[rounds.length >> 1];
      return { tile, ranges, us, ...(wrong && { wrong }) };
    });
    variants.sort((a, b) => Number(a.wrong ?? false) - Number(b.wrong ?? false) || a.us - b.us);
    const best = variants[0];
    if (!fixed) winners.set(matmulKey(key), best.ranges);
    winners.set(matmulKey(key, replicas), best.tile);
    results.push({ ...shape, variants });
    const rate = (us: number) => ((2 * m * n * k * replicas) / us / 1e6).toFixed(1);
    report(
      `${form} ${replicas} x ${m} x ${n} x ${k}: ` +
        variants
          .slice(0, 4)
          .map((v) => `${v.tile} ${v.ranges} ${v.us.toFixed(1)} us ${rate(v.us)} TFLOP/s${v.wrong ? ' WRONG' : ''}`)
          .join(', '),
    );
  }
  return { results, winners };
}

interface Prepared {
  tile: string;
  ranges: string; // groups x splits of K, as in the cache
  loaded: LoadedProgram;
  result: Float32Array;
  rounds: number[]; // microseconds a product
}

async function prepare(
  session: GpuSession,
  { form, m, n, k, replicas }: TuneShape,
  tuned: ReadonlyMap<string, string>,
  tile: string,
  ranges: string,
): Promise<Prepared> {
  const builder = new ProgramBuilder(replicas);
  const a = builder.persistent('a', form === 'TN' ? [k, m] : [m, k]);
  const b = builder.persistent('b', form === 'NT' ? [n, k] : [k, n]);
  const c = builder.persistent('c', [m, n]);
  matmul(builder.plan('product'), {
    label: 'tune',
    form,
    m,
    n,
    k,
    a: { tensor: a },
    b: { tensor: b },
    c: { tensor: c },
  });
  const loaded = await gpuExecutor(session, tuned).load(builder.build());
  loaded.write(a, noise(m * k * replicas, 1));
  loaded.write(b, noise(k * n * replicas, 2));
  await loaded.run('product');
  return { tile, ranges, loaded, result: (await loaded.read(c)) as Float32Array, rounds: [] };
}

/** Five rounds over all, each about 3 ms of work; the first warms the clock up and is dropped. */
async function timeAll(products: readonly Prepared[], { m, n, k, replicas }: TuneShape): Promise<void> {
  const repeats = Math.max(2, Math.min(300, Math.round(6e10 / (2 * m * n * k * replicas))));
  for (let round = 0; round < 6; round++)
    for (const { loaded, rounds } of products) {
      const start = performance.now();
      await loaded.run('product', repeats);
      await loaded.finish();
      if (round > 0) rounds.push(((performance.now() - start) * 1000) / repeats);
    }
}

/** Uniform in [-1, 1]. */
function noise(length: number, seed: number): Float32Array {
  const key = streamKey(seed, 'init');
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 2) {
    const [x, y] = threefry(key, i, 0);
    values[i] = x / 2 ** 31 - 1;
    if (i + 1 < length) values[i + 1] = y / 2 ** 31 - 1;
  }
  return values;
}

/** Sums of k products of numbers up to 1 in another order differ by rounding only: far less than 2^-22 k. */
function differs(got: Float32Array, want: Float32Array, k: number): boolean {
  for (let i = 0; i < want.length; i += 97) if (!(Math.abs(got[i] - want[i]) <= k * 2 ** -22)) return true;
  return false;
}
