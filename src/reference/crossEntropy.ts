/**
 * float64 reference of softmax cross-entropy, forward and backward at once.
 * logits [rows, V], targets < V; dLogits [rows, V] = (softmax - onehot) / rows. Returns the mean loss in nats and the
 * fraction of rows whose first largest logit is the target's.
 */
export function crossEntropy(
  rows: number,
  classes: number,
  logits: Float64Array,
  target: (row: number) => number,
  dLogits: Float64Array | undefined,
): { loss: number; accuracy: number } {
  let loss = 0;
  let correct = 0;
  for (let row = 0; row < rows; row++) {
    const z = logits.subarray(row * classes, (row + 1) * classes);
    let best = 0;
    for (let i = 1; i < classes; i++) if (z[i] > z[best]) best = i;
    let sum = 0;
    for (let i = 0; i < classes; i++) sum += Math.exp(z[i] - z[best]);
    const t = target(row);
    loss += z[best] - z[t] + Math.log(sum);
    if (best === t) correct++;
    if (dLogits)
      for (let i = 0; i < classes; i++)
        dLogits[row * classes + i] = (Math.exp(z[i] - z[best]) / sum - Number(i === t)) / rows;
  }
  return { loss: loss / rows, accuracy: correct / rows };
}
