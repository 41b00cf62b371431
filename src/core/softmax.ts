/** Index of the largest value, the first on a tie. */
export function largest(row: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

/** softmax(logits), in float64. */
export function probabilitiesOf(logits: ArrayLike<number>): Float64Array {
  const top = logits[largest(logits)];
  const shares = Float64Array.from(logits, (x) => Math.exp(x - top));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((x) => x / sum);
}

/** The index that a uniform number in [0, 1) selects from softmax(logits / temperature); temperature 0: the largest. */
export function drawFrom(logits: ArrayLike<number>, uniform: number, temperature = 1): number {
  const top = largest(logits);
  if (temperature === 0) return top;
  // Computed twice, which is cheaper than an array of exponentials.
  const share = (i: number) => Math.exp((logits[i] - logits[top]) / temperature);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += share(i);
  let left = uniform * sum;
  for (let i = 0; i < logits.length; i++) {
    left -= share(i);
    if (left < 0) return i;
  }
  return top; // rounding at the upper end
}
