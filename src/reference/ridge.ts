export interface RidgeShape {
  batch: number; // B, sentences
  fit: number; // number of sentences that are fitted, the first ones; the others are predicted
  columns: number; // C, outputs
}

/** Relative to the variance of the features, given by the mean of the diagonal of the centred Gram matrix. */
export const PENALTY = 1e-3;

/** Relative to their mean square: more than the f32 rounding errors of inner products of features that do not vary. */
export const FLOOR = 1e-6;

/**
 * float64 reference of ridge regression in its dual form: outputs (k - mean) (K + penalty)^-1 (Y - mean) + mean, where K [fit, fit]
 * are the fitted sentences' centred inner products, k those of a predicted sentence with them, and Y the values one(b, c) of
 * sentence b and output c. gram [B, B]: inner products of the features; writes scores [B - fit, C].
 */
export function ridge(
  { batch, fit, columns }: RidgeShape,
  gram: ArrayLike<number>,
  one: (b: number, c: number) => boolean,
  scores: Float64Array,
): void {
  const mean = new Float64Array(batch); // mean of each row over the fitted columns
  for (let i = 0; i < batch; i++) for (let j = 0; j < fit; j++) mean[i] += gram[i * batch + j] / fit;
  let grand = 0;
  let square = 0;
  for (let i = 0; i < fit; i++) {
    grand += mean[i] / fit;
    square += gram[i * batch + i] / fit;
  }
  const centred = (i: number, j: number) => gram[i * batch + j] - mean[i] - mean[j] + grand;
  const penalty = PENALTY * Math.max(square - grand, 0) + FLOOR * square + 1e-30;
  const lower = cholesky(fit, (i, j) => centred(i, j) + (i === j ? penalty : 0), penalty);
  for (let c = 0; c < columns; c++) {
    const target = Float64Array.from({ length: fit }, (_, b) => Number(one(b, c)));
    const share = target.reduce((sum, y) => sum + y, 0) / fit;
    const weights = solve(
      lower,
      target.map((y) => y - share),
    );
    for (let i = fit; i < batch; i++) {
      let sum = share;
      for (let j = 0; j < fit; j++) sum += centred(i, j) * weights[j];
      scores[(i - fit) * columns + c] = sum;
    }
  }
}

/** Lower triangle [n, n] with A = L L^T. floor: smaller than A's least eigenvalue; replaces squares that rounding made smaller. */
function cholesky(n: number, a: (i: number, j: number) => number, floor: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a(i, j);
      for (let k = 0; k < j; k++) sum -= lower[i * n + k] * lower[j * n + k];
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(sum, floor)) : sum / lower[j * n + j];
    }
  return lower;
}

/** x with L L^T x = b. */
function solve(lower: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= lower[i * n + k] * x[k];
    x[i] /= lower[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= lower[k * n + i] * x[k];
    x[i] /= lower[i * n + i];
  }
  return x;
}
