/**
 * float64 reference: out = a out + b x, or with relu its positive part; a term with weight 0 is left out (so that a NaN in it does not
 * count).
 */
export function blend(a: number, b: number, x: Float64Array, out: Float64Array, n: number, relu: boolean): void {
  for (let i = 0; i < n; i++) {
    const y = (a !== 0 ? a * out[i] : 0) + (b !== 0 ? b * x[i] : 0);
    out[i] = relu ? Math.max(y, 0) : y;
  }
}
