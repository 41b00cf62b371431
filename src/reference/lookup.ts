/** output[i] = table[index[i]]; beyond the end of the table, its last entry. */
export function lookup(
  entries: number,
  elements: number,
  table: Uint32Array,
  index: Uint32Array,
  output: Uint32Array,
): void {
  for (let i = 0; i < elements; i++) output[i] = table[Math.min(index[i], entries - 1)];
}
