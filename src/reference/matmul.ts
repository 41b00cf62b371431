/** float64 reference of one matrix product with its epilogue. */
export interface MatmulShape {
  m: number;
  n: number;
  k: number;
  aRow: number; // distance in elements between stored rows of A
  bRow: number;
  cRow: number;
  transposeA: boolean; // A is stored K x M
  transposeB: boolean; // B is stored N x K
}

export interface MatmulEpilogue {
  scale: number;
  bias?: Float64Array; // [N]
  biasInside: boolean; // the bias is scaled too
  relu: boolean;
  mask?: Float64Array; // same layout as C: keep where > 0
  residual?: Float64Array; // same layout as C
  accumulate: boolean;
}

/** C = mask(relu(scale * op(A) op(B) + bias)) + residual (+ C), or scale * (op(A) op(B) + bias) with biasInside. Arrays start at their first element. */
export function matmul(
  shape: MatmulShape,
  a: Float64Array,
  b: Float64Array,
  c: Float64Array,
  epilogue: MatmulEpilogue,
): void {
  const { m, n, k, aRow, bRow, cRow, transposeA, transposeB } = shape;
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++)
        sum += (transposeA ? a[l * aRow + i] : a[i * aRow + l]) * (transposeB ? b[j * bRow + l] : b[l * bRow + j]);
      const at = i * cRow + j;
      const bias = epilogue.bias?.[j] ?? 0;
      let x = epilogue.biasInside ? (sum + bias) * epilogue.scale : sum * epilogue.scale + bias;
      if (epilogue.relu) x = Math.max(x, 0);
      if (epilogue.mask && !(epilogue.mask[at] > 0)) x = 0;
      if (epilogue.residual) x += epilogue.residual[at];
      c[at] = epilogue.accumulate ? c[at] + x : x;
    }
}
