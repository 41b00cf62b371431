import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** Inverse of a symmetric, positive definite matrix, of which the lower triangle is used. */
export function inverseOf(matrix: Matrix): number[][] {
  const size = matrix.rows;
  // Both halves get equal bits, otherwise the factorisation refuses.
  for (let a = 0; a < size; a++) for (let b = 0; b < a; b++) matrix.set(b, a, matrix.get(a, b));
  return new CholeskyDecomposition(matrix).solve(Matrix.eye(size)).to2DArray();
}
