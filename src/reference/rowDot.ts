/** output[offset + i * stride] = (output +) sum over j of a[i, j] b[i, j]. */
export function rowDot(
  {
    rows,
    columns,
    offset,
    stride,
    accumulate,
  }: Record<'rows' | 'columns' | 'offset' | 'stride', number> & { accumulate: boolean },
  a: Float64Array,
  b: Float64Array,
  output: Float64Array,
): void {
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += a[i * columns + j] * b[i * columns + j];
    const at = offset + i * stride;
    output[at] = accumulate ? output[at] + sum : sum;
  }
}
