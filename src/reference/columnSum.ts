/** float64 reference: output[j] = (old +) scale * sum over i of input[i, j]. input [rows, columns]. */
export function columnSum(
  rows: number,
  columns: number,
  scale: number,
  accumulate: boolean,
  input: Float64Array,
  output: Float64Array,
): void {
  for (let j = 0; j < columns; j++) {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += input[i * columns + j];
    output[j] = (accumulate ? output[j] : 0) + scale * sum;
  }
}
