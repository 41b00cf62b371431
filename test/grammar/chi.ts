/**
 * Pearson's chi-square of counts against expected ones. Throws beyond the 1 - 1e-4 quantile (Wilson-Hilferty, z = 3.72); seeds
 * are fixed, so a test either always passes or never. Cells with expectation 0 must be empty.
 */
export function chiSquare(counts: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  let sum = 0;
  let df = -1;
  for (let i = 0; i < counts.length; i++) {
    if (expected[i] === 0) {
      if (counts[i] !== 0) throw new Error(`${what}: cell ${i} of probability 0 was drawn ${counts[i]} times`);
      continue;
    }
    if (expected[i] < 5) throw new Error(`${what}: cell ${i} expects ${expected[i]}, too few for the test`);
    sum += (counts[i] - expected[i]) ** 2 / expected[i];
    df++;
  }
  if (df === 0 && sum === 0) return; // a certain outcome
  const bound = df * (1 - 2 / (9 * df) + 3.72 * Math.sqrt(2 / (9 * df))) ** 3;
  if (!(sum <= bound)) throw new Error(`${what}: chi-square ${sum.toFixed(1)} over ${bound.toFixed(1)}, df ${df}`);
}
