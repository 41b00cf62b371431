/**
 * float64 reference of softmax cross-entropy, forward and backward at once. logits [rows, V], targets < V, share: weight of a row; terms:
 * sum of all weights; dLogits [rows, V] = (softmax - onehot) * share / terms. Returns the mean loss in nats and the fraction of rows whose
 * (first) largest logit is the target's.
 */
export function crossEntropy(
  { rows, classes, terms }: { rows: number; classes: number; terms: number },
  logits: Float64Array,
  target: (row: number) => number,
  share: (row: number) => number,
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
    const weight = share(row);
    loss += weight * (z[best] - z[t] + Math.log(sum));
    if (best === t) correct += weight;
    if (dLogits)
      for (let i = 0; i < classes; i++)
        dLogits[row * classes + i] = ((Math.exp(z[i] - z[best]) / sum - Number(i === t)) * weight) / terms;
  }
  return { loss: loss / terms, accuracy: correct / terms };
}
