/** Position of the factor of element (row, column) in b: offset + row * bRow + column * bColumn. */
export interface Factor {
  bOffset: number;
  bRow: number;
  bColumn: number;
}

/** output[i, j] = (output +) a[i, j] * b[factor of (i, j)], one replica in float64. */
export function multiply(
  {
    rows,
    columns,
    accumulate,
    bOffset,
    bRow,
    bColumn,
  }: Factor & { rows: number; columns: number; accumulate: boolean },
  a: Float64Array,
  b: Float64Array,
  output: Float64Array,
): void {
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const y = a[i * columns + j] * b[bOffset + i * bRow + j * bColumn];
      output[i * columns + j] = accumulate ? output[i * columns + j] + y : y;
    }
}
