/** Mean cross-entropy of rows of logits, nats. */
export function crossEntropy(logits: ArrayLike<number>, classes: number, targets: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < targets.length; i++) {
    const row = Array.from({ length: classes }, (_, c) => logits[i * classes + c]);
    sum += Math.log(row.reduce((total, x) => total + Math.exp(x), 0)) - row[targets[i]];
  }
  return sum / targets.length;
}
