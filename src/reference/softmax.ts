/** output = softmax of each row of input, one replica in float64. */
export function softmax(rows: number, columns: number, input: Float64Array, output: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    const x = input.subarray(i * columns, (i + 1) * columns);
    const most = x.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = x.map((a) => Math.exp(a - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    for (let j = 0; j < columns; j++) output[i * columns + j] = powers[j] / sum;
  }
}

/** dInput = output * (dOutput - sum over the row of dOutput * output). */
export function softmaxBackward(
  rows: number,
  columns: number,
  output: Float64Array,
  dOutput: Float64Array,
  dInput: Float64Array,
): void {
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let at = i * columns; at < (i + 1) * columns; at++) sum += output[at] * dOutput[at];
    for (let at = i * columns; at < (i + 1) * columns; at++) dInput[at] = output[at] * (dOutput[at] - sum);
  }
}
