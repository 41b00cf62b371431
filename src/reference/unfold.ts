/** Windows of a sentence: T' = floor((T + 2 padding - filter) / stride) + 1 of them. */
export interface WindowShape {
  batch: number;
  tokens: number; // T
  channels: number; // C
  windows: number; // T'
  filter: number;
  stride: number;
  padding: number; // zeros on either side
}

/** output [B, T', filter C] = windows of input [B, T, C] side by side; one replica, overwrites. */
export function unfold(s: WindowShape, input: Float64Array, output: Float64Array): void {
  pairs(s, (inside, at) => {
    output[at] = inside < 0 ? 0 : input[inside];
  });
}

/** output [B, T, C] = (output +) transpose of unfold applied to input [B, T', filter C]. */
export function fold(s: WindowShape, accumulate: boolean, input: Float64Array, output: Float64Array): void {
  if (!accumulate) output.fill(0, 0, s.batch * s.tokens * s.channels);
  pairs(s, (inside, at) => {
    if (inside >= 0) output[inside] += input[at];
  });
}

/** Calls visit(index in [B, T, C] or -1 for a zero, index in [B, T', filter C]). */
function pairs(s: WindowShape, visit: (inside: number, at: number) => void): void {
  let at = 0;
  for (let b = 0; b < s.batch; b++)
    for (let t = 0; t < s.windows; t++)
      for (let f = 0; f < s.filter; f++)
        for (let c = 0; c < s.channels; c++) {
          const token = t * s.stride + f - s.padding;
          visit(token >= 0 && token < s.tokens ? (b * s.tokens + token) * s.channels + c : -1, at++);
        }
}
