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
  return targets.map(({ classes, labels }) => {
    const share = new Float64Array(classes); // mean of the one-hot targets
    for (let i = 0; i < fit; i++) share[labels[i]] += 1 / fit;
    const columns = Array.from({ length: classes }, (_, c) =>
      solve(lower, fit, (i) => Number(labels[i] === c) - share[c]),
    );
    let right = 0;
    const row = new Float64Array(fit);
    for (let i = fit; i < B; i++) {
      for (let j = 0; j < fit; j++) row[j] = centred(i, j);
      let best = 0;
      let highest = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < classes; c++) {
        let score = share[c];
        for (let j = 0; j < fit; j++) score += row[j] * columns[c][j];
        if (score > highest) {
          highest = score;
          best = c;
        }
      }
      if (best === labels[i]) right++;
    }
    return right / (B - fit);
  });
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

/** x of L L^T x = b. */
function solve(lower: Float64Array, n: number, b: (i: number) => number): Float64Array {
  const x = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = b(i);
    for (let k = 0; k < i; k++) sum -= lower[i * n + k] * x[k];
    x[i] = sum / lower[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    x[i] /= lower[i * n + i];
    for (let k = 0; k < i; k++) x[k] -= lower[i * n + k] * x[i];
  }
  return x;
}
