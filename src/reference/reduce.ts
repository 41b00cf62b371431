/** float64 reference of reduce, one replica: [sum, sum of squares, number of values that are infinite or NaN]. */
export function reduce(elements: number, input: Float64Array): [sum: number, squares: number, nonFinite: number] {
  let sum = 0;
  let squares = 0;
  let nonFinite = 0;
  for (let i = 0; i < elements; i++) {
    sum += input[i];
    squares += input[i] ** 2;
    if (!Number.isFinite(input[i])) nonFinite++;
  }
  return [sum, squares, nonFinite];
}
