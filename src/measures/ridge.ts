import { largest } from '../core/softmax.js';

const PENALTY = 1e-3; // over the mean of the Gram matrix's diagonal

/**
 * Ridge regression in its dual form. gram [B, B]: inner products of the feature vectors; the first `fit` rows are fitted, the
 * others predicted, features and targets centred on the fitted rows. For each target the fraction of predicted rows whose
 * largest output is the label; NaN when the matrix is not finite.
 */
export function ridgeAccuracy(
  gram: ArrayLike<number>,
  fit: number,
  targets: readonly { classes: number; labels: readonly number[] }[],
): number[] {
  const B = Math.round(Math.sqrt(gram.length));
  const mean = new Float64Array(B); // of each row over the fitted columns
  for (let i = 0; i < B; i++) for (let j = 0; j < fit; j++) mean[i] += gram[i * B + j] / fit;
  let grand = 0;
  for (let i = 0; i < fit; i++) grand += mean[i] / fit;
  const centred = (i: number, j: number) => gram[i * B + j] - mean[i] - mean[j] + grand;

  let trace = 0;
  for (let i = 0; i < fit; i++) trace += centred(i, i);
  const penalty = (PENALTY * trace) / fit + 1e-300;
  const lower = cholesky(fit, (i, j) => centred(i, j) + (i === j ? penalty : 0));
  if (!lower) return targets.map(() => Number.NaN);
  // The columns of all targets side by side, so that the inner loops run along rows.
  const columns = targets.reduce((sum, { classes }) => sum + classes, 0);
  const share = new Float64Array(columns); // mean of the one-hot targets
  const weights = new Float64Array(fit * columns);
  let first = 0;
  const starts = targets.map(({ classes, labels }) => {
    const start = first;
    first += classes;
    for (let i = 0; i < fit; i++) {
      share[start + labels[i]] += 1 / fit;
      weights[i * columns + start + labels[i]] = 1;
    }
    return start;
  });
  for (let i = 0; i < fit; i++) for (let c = 0; c < columns; c++) weights[i * columns + c] -= share[c];
  solve(lower, fit, weights, columns);
  const right = targets.map(() => 0);
  const scores = new Float64Array(columns);
  for (let i = fit; i < B; i++) {
    scores.set(share);
    for (let j = 0; j < fit; j++) addRow(scores, 0, weights, j * columns, columns, centred(i, j));
    targets.forEach(({ classes, labels }, t) => {
      if (largest(scores.subarray(starts[t], starts[t] + classes)) === labels[i]) right[t]++;
    });
  }
  return right.map((count) => count / (B - fit));
}

/** Lower triangle [n, n] with A = L L^T; undefined when A is not positive definite. */
function cholesky(n: number, a: (i: number, j: number) => number): Float64Array | undefined {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a(i, j);
      for (let k = 0; k < j; k++) sum -= lower[i * n + k] * lower[j * n + k];
      if (i === j && !(sum > 0 && Number.isFinite(sum))) return undefined;
      lower[i * n + j] = i === j ? Math.sqrt(sum) : sum / lower[j * n + j];
    }
  return lower;
}

/** Replaces b [n, columns] by x with L L^T x = b. */
function solve(lower: Float64Array, n: number, b: Float64Array, columns: number): void {
  const scaleRow = (i: number) => {
    for (let c = 0; c < columns; c++) b[i * columns + c] /= lower[i * n + i];
  };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) addRow(b, i * columns, b, k * columns, columns, -lower[i * n + k]);
    scaleRow(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    scaleRow(i);
    for (let k = 0; k < i; k++) addRow(b, k * columns, b, i * columns, columns, -lower[i * n + k]);
  }
}

/** to[t ..] += factor * from[f ..], `count` elements. */
function addRow(to: Float64Array, t: number, from: Float64Array, f: number, count: number, factor: number): void {
  for (let c = 0; c < count; c++) to[t + c] += factor * from[f + c];
}
