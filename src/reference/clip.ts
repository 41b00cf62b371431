/** float64 reference of clip, one replica, in place. squares: the sum of squares of all of the replica's elements. */
export function clip(elements: number, maxNorm: number, squares: number, block: Float64Array): void {
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm) || norm <= maxNorm) return;
  for (let i = 0; i < elements; i++) block[i] *= maxNorm / norm;
}
