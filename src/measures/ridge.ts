import { largest } from '../core/softmax.js';

const PENALTY = 1e-3; // over the mean of the Gram matrix's diagonal

/**
 * Ridge regression in its dual form. gram [B, B]: inner products of the feature vectors; the first `fit` rows are fitted, the
 * others predicted, features and targets centred on the fitted rows. For each target the fraction of predicted rows whose
 * largest output is the label; NaN when the matrix is not finite.
 *
 * With K + penalty = L L^T over the fitted rows, the outputs for a row k are k (L L^T)^-1 Y = (k L^-T) (Y^T L^-T)^T. So the rows
 * of K, the rows to predict and the one-hot columns of Y are stacked, and one pass turns them into L, k L^-T and Y^T L^-T.
 */
export function ridgeAccuracy(
  gram: ArrayLike<number>,
  fit: number,
  targets: readonly { classes: number; labels: readonly number[] }[],
): number[] {
  const B = Math.round(Math.sqrt(gram.length));
  const columns = targets.reduce((sum, { classes }) => sum + classes, 0);
  const rows = new Float64Array(4 * Math.ceil((B + columns) / 4) * fit); // [B + columns, fit], and zeros to whole fours
  centre(gram, B, fit, rows);
  let trace = 0;
  for (let i = 0; i < fit; i++) trace += rows[i * fit + i];
  for (let i = 0; i < fit; i++) rows[i * fit + i] += (PENALTY * trace) / fit + 1e-300;

  const share = new Float64Array(columns); // mean of the one-hot targets
  let first = 0;
  const starts = targets.map(({ classes, labels }) => {
    const start = first;
    first += classes;
    for (let i = 0; i < fit; i++) {
      share[start + labels[i]] += 1 / fit;
      rows[(B + start + labels[i]) * fit + i] = 1;
    }
    return start;
  });
  for (let c = 0; c < columns; c++) for (let i = 0; i < fit; i++) rows[(B + c) * fit + i] -= share[c];

  if (!factorise(rows, fit)) return targets.map(() => Number.NaN);
  const right = targets.map(() => 0);
  const scores = Array.from({ length: 4 }, () => new Float64Array(columns));
  const sums = new Float64Array(8);
  for (let i = fit; i < B; i += 4) {
    for (let c = 0; c < columns; c += 2) {
      products(rows, fit, i, B + c, fit, sums);
      scores.forEach((row, q) => {
        row[c] = share[c] + sums[q];
        row[c + 1] = share[c + 1] + sums[4 + q]; // past the end of an odd row nothing is kept
      });
    }
    for (let q = 0; q < 4 && i + q < B; q++)
      targets.forEach(({ classes, labels }, t) => {
        if (largest(scores[q].subarray(starts[t], starts[t] + classes)) === labels[i + q]) right[t]++;
      });
  }
  return right.map((count) => count / (B - fit));
}

/** Inner products [B, fit] of features of which the mean over the fitted rows is taken away. */
function centre(gram: ArrayLike<number>, B: number, fit: number, to: Float64Array): void {
  const mean = new Float64Array(B); // of each row over the fitted columns
  for (let i = 0; i < B; i++) for (let j = 0; j < fit; j++) mean[i] += gram[i * B + j] / fit;
  let grand = 0;
  for (let i = 0; i < fit; i++) grand += mean[i] / fit;
  for (let i = 0; i < B; i++)
    for (let j = 0; j < fit; j++) to[i * fit + j] = gram[i * B + j] - mean[i] - mean[j] + grand;
}

/**
 * rows [4 x, n], of which the first n are A: they become L with A = L L^T in their lower triangle, each row y below y L^-T.
 * Four rows and two columns at a time, since one read of a number then serves several products. False when A is not positive.
 */
function factorise(rows: Float64Array, n: number): boolean {
  const sums = new Float64Array(8);
  for (let r = 0; r < rows.length / n; r += 4) {
    const whole = 2 * Math.floor(Math.min(r, n) / 2); // columns of which no row of the four holds the diagonal
    for (let j = 0; j < whole; j += 2) {
      products(rows, n, r, j, j, sums);
      const left = rows[j * n + j];
      const corner = rows[(j + 1) * n + j];
      const right = rows[(j + 1) * n + j + 1];
      for (let q = 0; q < 4; q++) {
        const at = (r + q) * n + j;
        rows[at] = (rows[at] - sums[q]) / left;
        rows[at + 1] = (rows[at + 1] - sums[4 + q] - rows[at] * corner) / right;
      }
    }
    for (let i = r; i < r + 4; i++)
      for (let j = whole; j < n && j <= i; j++) {
        let sum = rows[i * n + j];
        for (let k = 0; k < j; k++) sum -= rows[i * n + k] * rows[j * n + k];
        if (i === j && !(sum > 0 && Number.isFinite(sum))) return false;
        rows[i * n + j] = i === j ? Math.sqrt(sum) : sum / rows[j * n + j];
      }
  }
  return true;
}

/** sums[4 t + q] = inner product of the first `count` elements of rows r + q and c + t; q below 4, t below 2. */
function products(rows: Float64Array, n: number, r: number, c: number, count: number, sums: Float64Array): void {
  const r0 = r * n;
  const r1 = r0 + n;
  const r2 = r1 + n;
  const r3 = r2 + n;
  const c0 = c * n;
  const c1 = c0 + n;
  let a0 = 0;
  let a1 = 0;
  let a2 = 0;
  let a3 = 0;
  let b0 = 0;
  let b1 = 0;
  let b2 = 0;
  let b3 = 0;
  for (let k = 0; k < count; k++) {
    const x = rows[c0 + k];
    const y = rows[c1 + k];
    const p0 = rows[r0 + k];
    const p1 = rows[r1 + k];
    const p2 = rows[r2 + k];
    const p3 = rows[r3 + k];
    a0 += p0 * x;
    a1 += p1 * x;
    a2 += p2 * x;
    a3 += p3 * x;
    b0 += p0 * y;
    b1 += p1 * y;
    b2 += p2 * y;
    b3 += p3 * y;
  }
  sums[0] = a0;
  sums[1] = a1;
  sums[2] = a2;
  sums[3] = a3;
  sums[4] = b0;
  sums[5] = b1;
  sums[6] = b2;
  sums[7] = b3;
}
