/**
 * Ridge regression in its dual form, in f64; a thread owns feature spaces. As in shaders/ridge.wgsl, with rows in place of its
 * columns: the rows of the centred Gram matrix A = L L^T, those to predict and those of the targets form one matrix and become L, k
 * L^-T and Y^T L^-T; outputs are products of the latter two. Four rows and two columns at a time, so that each number loaded is used
 * in several products.
 */
import { Ridge } from '../../build/assembly/layouts';
import { shareOf } from '../share';
import { clearWords } from '../words';

export function ridge(p: Ridge, thread: u32, threads: u32, scratch: usize): void {
  const all = p.replicas * p.spaces;
  const end = shareOf(all, thread + 1, threads);
  for (let unit = shareOf(all, thread, threads); unit < end; unit++) regress(p, unit, scratch);
}

function regress(p: Ridge, unit: u32, rows: usize): void {
  const batch = p.batch;
  const fit = p.fit;
  const columns = p.columns;
  const spaces = p.spaces;
  const r = unit / spaces;
  const space = unit % spaces;
  const bytes: usize = 16 * ((fit + 1) / 2); // bytes of a row, with a zero at the end if fit is odd
  const count: u32 = 4 * ((batch + columns + 4) / 4); // rows, at least one row of zeros after the last
  const sums = rows + count * bytes; // 8 per row
  const penalty = centre(p, r, space, rows, bytes, count, sums + 64);

  for (let i: u32 = 0; i < count; i += 4) {
    const row = rows + i * bytes;
    const whole: u32 = min<u32>(i, fit) & ~1; // columns in which none of the four rows has its diagonal element
    for (let j: u32 = 0; j < whole; j += 2) {
      const other = rows + j * bytes;
      products(row, other, bytes, 8 * j, sums);
      const left = load<f64>(other + 8 * j);
      const corner = load<f64>(other + bytes + 8 * j);
      const right = load<f64>(other + bytes + 8 * j, 8);
      for (let q: u32 = 0; q < 4; q++) {
        const at = row + q * bytes + 8 * j;
        const x = (load<f64>(at) - load<f64>(sums + 16 * q)) / left;
        store<f64>(at, x);
        store<f64>(at, (load<f64>(at, 8) - load<f64>(sums + 16 * q, 8) - x * corner) / right, 8);
      }
    }
    for (let q: u32 = 0; q < 4; q++)
      for (let j = whole; j < fit && j <= i + q; j++) {
        const mine = row + q * bytes;
        const other = rows + j * bytes;
        let sum = load<f64>(mine + 8 * j);
        for (let k: u32 = 0; k < j; k++) sum -= load<f64>(mine + 8 * k) * load<f64>(other + 8 * k);
        // A diagonal element below the penalty is due to rounding.
        store<f64>(mine + 8 * j, j == i + q ? sqrt<f64>(max<f64>(sum, penalty)) : sum / load<f64>(other + 8 * j));
      }
  }

  const centres = sums + 64;
  const scores = p.scoresAt(r) + 4 * (space * (batch - fit) * columns);
  for (let i = fit; i < batch; i += 4)
    for (let c: u32 = 0; c < columns; c += 2) {
      products(rows + i * bytes, rows + (batch + c) * bytes, bytes, bytes, sums);
      for (let q: u32 = 0; q < min<u32>(4, batch - i); q++)
        for (let t: u32 = 0; t < min<u32>(2, columns - c); t++) {
          const share = load<f64>(centres + 8 * (batch + c + t));
          store<f32>(scores + 4 * ((i - fit + q) * columns + c + t), <f32>(share + load<f64>(sums + 16 * q + 8 * t)));
        }
    }
}

/** Fills the rows, centred, with the penalty on the diagonal; centres: f64 [batch + columns]. Returns the penalty. */
function centre(p: Ridge, r: u32, space: u32, rows: usize, bytes: usize, count: u32, centres: usize): f64 {
  const batch = p.batch;
  const fit = p.fit;
  const columns = p.columns;
  const nodes = p.nodes;
  const gram = p.gramAt(r) + 4 * space * batch * batch;
  const symbols = p.symbolsAt(r);
  const targets = p.targetsAt(r);
  clearWords(rows, (count * bytes) / 4);
  let grand: f64 = 0;
  let square: f64 = 0;
  for (let i: u32 = 0; i < batch; i++) {
    let sum: f64 = 0;
    for (let j: u32 = 0; j < fit; j++) sum += <f64>load<f32>(gram + 4 * (i * batch + j));
    store<f64>(centres + 8 * i, sum / <f64>fit);
    if (i >= fit) continue;
    grand += sum / <f64>fit;
    square += <f64>load<f32>(gram + 4 * (i * batch + i));
  }
  grand /= <f64>fit;
  square /= <f64>fit;
  const penalty: f64 = <f64>p.penalty * max<f64>(square - grand, 0) + <f64>p.floor * square + 1e-30;
  for (let i: u32 = 0; i < batch; i++) {
    const shift = grand - load<f64>(centres + 8 * i);
    for (let j: u32 = 0; j < fit; j++) {
      const x = <f64>load<f32>(gram + 4 * (i * batch + j)) + shift - load<f64>(centres + 8 * j);
      store<f64>(rows + i * bytes + 8 * j, i == j ? x + penalty : x);
    }
  }
  for (let c: u32 = 0; c < columns; c++) {
    const node = load<u32>(targets + 8 * c);
    const symbol = load<u32>(targets + 8 * c, 4);
    let sum: f64 = 0;
    for (let j: u32 = 0; j < fit; j++) if (load<u32>(symbols + 4 * (j * nodes + node)) == symbol) sum += 1;
    const share = sum / <f64>fit;
    store<f64>(centres + 8 * (batch + c), share);
    for (let j: u32 = 0; j < fit; j++) {
      const one: f64 = load<u32>(symbols + 4 * (j * nodes + node)) == symbol ? 1 : 0;
      store<f64>(rows + (batch + c) * bytes + 8 * j, one - share);
    }
  }
  return penalty;
}

/** sums f64 [4, 2]: of the products of four rows with two others, `bytes` apart, over their first `length` bytes, 16 at a time. */
function products(row: usize, other: usize, bytes: usize, length: usize, sums: usize): void {
  let a0 = f64x2.splat(0);
  let a1 = f64x2.splat(0);
  let a2 = f64x2.splat(0);
  let a3 = f64x2.splat(0);
  let b0 = f64x2.splat(0);
  let b1 = f64x2.splat(0);
  let b2 = f64x2.splat(0);
  let b3 = f64x2.splat(0);
  const end = other + length;
  for (; other < end; other += 16, row += 16) {
    const x = v128.load(other);
    const y = v128.load(other + bytes);
    const p0 = v128.load(row);
    const p1 = v128.load(row + bytes);
    const p2 = v128.load(row + 2 * bytes);
    const p3 = v128.load(row + 3 * bytes);
    a0 = f64x2.add(a0, f64x2.mul(p0, x));
    a1 = f64x2.add(a1, f64x2.mul(p1, x));
    a2 = f64x2.add(a2, f64x2.mul(p2, x));
    a3 = f64x2.add(a3, f64x2.mul(p3, x));
    b0 = f64x2.add(b0, f64x2.mul(p0, y));
    b1 = f64x2.add(b1, f64x2.mul(p1, y));
    b2 = f64x2.add(b2, f64x2.mul(p2, y));
    b3 = f64x2.add(b3, f64x2.mul(p3, y));
  }
  put(sums, a0, b0);
  put(sums + 16, a1, b1);
  put(sums + 32, a2, b2);
  put(sums + 48, a3, b3);
}

/** Stores the sum of both lanes of a, and of b. */
function put(at: usize, a: v128, b: v128): void {
  store<f64>(at, f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1));
  store<f64>(at, f64x2.extract_lane(b, 0) + f64x2.extract_lane(b, 1), 8);
}
