/**
 * Mean cosine of standardised rows, in three commands like shaders/similarity*.wgsl: statistics of the units (a thread owns
 * units), cosines of the rows (a thread owns rows), their mean (one thread).
 */
import { Similarity } from '../../build/assembly/layouts';
import { shareOf } from '../share';

const FLAT: f32 = 1e-10;

export function similarity(p: Similarity, thread: u32, threads: u32): void {
  const batch = p.batch;
  const units = p.units;
  const blocks = (units + 3) / 4;
  const all = 2 * p.replicas * blocks;
  const end = shareOf(all, thread + 1, threads);
  for (let unit = shareOf(all, thread, threads); unit < end; unit++) {
    const side = unit / blocks; // r * 2 + (0 for a, 1 for b)
    const r = side >> 1;
    const first = (unit % blocks) * 4;
    const data = side & 1 ? p.bAt(r) : p.aAt(r);
    const stats = p.stats + 8 * side * units;
    const last = min(units, first + 4);
    for (let j = first; j < last; j++) {
      let sum: f32 = 0;
      let from = data + 4 * j;
      for (let i: u32 = 0; i < batch; i++, from += 4 * units) sum += load<f32>(from);
      const mean: f32 = sum / <f32>batch;
      let squares: f32 = 0;
      from = data + 4 * j;
      for (let i: u32 = 0; i < batch; i++, from += 4 * units) {
        const d: f32 = load<f32>(from) - mean;
        squares += d * d;
      }
      const variance: f32 = squares / <f32>batch;
      const varies = variance > FLAT * mean * mean + <f32>1e-30;
      store<f32>(stats + 4 * j, mean);
      store<f32>(stats + 4 * (units + j), varies ? <f32>1 / sqrt<f32>(variance) : <f32>0);
    }
  }
}

export function similarityRows(p: Similarity, thread: u32, threads: u32): void {
  const batch = p.batch;
  const units = p.units;
  const all = p.replicas * batch;
  const end = shareOf(all, thread + 1, threads);
  const inverse = 4 * units;
  for (let row = shareOf(all, thread, threads); row < end; row++) {
    const r = row / batch;
    const i = row % batch;
    const a = p.aAt(r) + 4 * i * units;
    const b = p.bAt(r) + 4 * i * units;
    const statsA = p.stats + 16 * r * units;
    const statsB = statsA + 8 * units;
    let xy = f32x4.splat(0);
    let xx = f32x4.splat(0);
    let yy = f32x4.splat(0);
    let j: u32 = 0;
    for (; j + 4 <= units; j += 4) {
      const o = 4 * j;
      const x = f32x4.mul(f32x4.sub(v128.load(a + o), v128.load(statsA + o)), v128.load(statsA + inverse + o));
      const y = f32x4.mul(f32x4.sub(v128.load(b + o), v128.load(statsB + o)), v128.load(statsB + inverse + o));
      xy = f32x4.add(xy, f32x4.mul(x, y));
      xx = f32x4.add(xx, f32x4.mul(x, x));
      yy = f32x4.add(yy, f32x4.mul(y, y));
    }
    let sumXY = lanes(xy);
    let sumXX = lanes(xx);
    let sumYY = lanes(yy);
    for (; j < units; j++) {
      const o = 4 * j;
      const x: f32 = (load<f32>(a + o) - load<f32>(statsA + o)) * load<f32>(statsA + inverse + o);
      const y: f32 = (load<f32>(b + o) - load<f32>(statsB + o)) * load<f32>(statsB + inverse + o);
      sumXY += x * y;
      sumXX += x * x;
      sumYY += y * y;
    }
    let cosine: f32 = sumXX == 0 && sumYY == 0 ? 1 : 0;
    if (sumXX > 0 && sumYY > 0) cosine = sumXY / (sqrt<f32>(sumXX) * sqrt<f32>(sumYY));
    store<f32>(p.rows + 4 * row, cosine);
  }
}

export function similarityMean(p: Similarity, thread: u32, _threads: u32): void {
  if (thread != 0) return;
  const batch = p.batch;
  for (let r: u32 = 0; r < p.replicas; r++) {
    let sum: f32 = 0;
    for (let i: u32 = 0; i < batch; i++) sum += load<f32>(p.rows + 4 * (r * batch + i));
    store<f32>(p.outputAt(r) + 4 * p.slot, sum / <f32>batch);
  }
}

function lanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}
