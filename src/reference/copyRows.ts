/** output[b, outputFirst + i] = (output +) input[b, inputFirst + i] for i below rows, one replica in float64. */
export function copyRows(
  o: {
    batch: number;
    inputRows: number;
    outputRows: number;
    columns: number;
    inputFirst: number;
    outputFirst: number;
    rows: number;
    accumulate: boolean;
  },
  input: Float64Array,
  output: Float64Array,
): void {
  for (let b = 0; b < o.batch; b++) {
    const from = (b * o.inputRows + o.inputFirst) * o.columns;
    const to = (b * o.outputRows + o.outputFirst) * o.columns;
    for (let i = 0; i < o.rows * o.columns; i++)
      output[to + i] = o.accumulate ? output[to + i] + input[from + i] : input[from + i];
  }
}
