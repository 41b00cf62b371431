/**
 * float64 reference of the first layer: a dense product with the explicit input vectors, one [filter * v] vector per window.
 * whitened: token u becomes (onehot(u) - 1/v) / sqrt(1 - 1/v), the masked position the constant vector v^-1/2.
 */
export interface EmbedShape {
  v: number;
  width: number; // w, output channels
  filter: number; // tokens per window
  stride: number;
  padding: number; // zero vectors before the first token (and after the last)
  windows: number; // T', output positions
  length: number; // tokens used
  firstToken: number; // index of the first used token in a row of `tokens`
  tokenRow: number; // tokens per sentence in memory, d
  whitened: boolean;
  exactInputs: boolean; // inputs are whitened in float64 instead of f32
  masked: number; // index of the masked token among the used ones, -1 for none
  local: boolean; // a separate filter for every window
  scale: number;
  positionInside: boolean; // scale * (x W + position)
  relu: boolean;
}

/** The input vector of one token position, [v]. */
function inputVector(s: EmbedShape, token: number, position: number): Float64Array {
  const x = new Float64Array(s.v);
  if (position < 0 || position >= s.length) return x;
  if (!s.whitened) x[token] = 1;
  else if (s.exactInputs)
    for (let u = 0; u < s.v; u++)
      x[u] = position === s.masked ? s.v ** -0.5 : (Number(u === token) - 1 / s.v) / Math.sqrt(1 - 1 / s.v);
  else if (position === s.masked) x.fill(Math.fround(s.v ** -0.5));
  else for (let u = 0; u < s.v; u++) x[u] = whiten(Number(u === token), s.v);
  return x;
}

/** (x - 1/v) / sqrt(1 - 1/v) in f32, as PyTorch computes it: inputs are f32 data, even for a network in float64. */
function whiten(x: number, v: number): number {
  return Math.fround(Math.fround(x - Math.fround(1 / v)) * Math.fround(1 / Math.sqrt(1 - 1 / v)));
}

function eachWindow(
  s: EmbedShape,
  batch: number,
  tokens: Uint32Array,
  f: (row: number, weightRow: number, x: number, window: number) => void,
): void {
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < s.windows; t++)
      for (let j = 0; j < s.filter; j++) {
        const position = t * s.stride - s.padding + j;
        const token = tokens[b * s.tokenRow + s.firstToken + position];
        const x = inputVector(s, token, position);
        for (let u = 0; u < s.v; u++)
          if (x[u] !== 0) f(b * s.windows + t, ((s.local ? t * s.filter : 0) + j) * s.v + u, x[u], t);
      }
}

/** output [B, T', w] = relu(scale * x W + position), or relu(scale * (x W + position)) with positionInside. weight [filter * v, w], or [T', filter * v, w] when local. */
export function embed(
  s: EmbedShape,
  batch: number,
  tokens: Uint32Array,
  weight: Float64Array,
  position: Float64Array | undefined, // [positionRows, w], T' rows or one for all windows
  positionRows: number,
  output: Float64Array,
): void {
  const { width } = s;
  output.fill(0, 0, batch * s.windows * width);
  eachWindow(s, batch, tokens, (row, weightRow, x) => {
    for (let c = 0; c < width; c++) output[row * width + c] += x * weight[weightRow * width + c];
  });
  for (let row = 0; row < batch * s.windows; row++)
    for (let c = 0; c < width; c++) {
      const at = row * width + c;
      const added = position ? position[((row % s.windows) % positionRows) * width + c] : 0;
      const y = s.positionInside ? (output[at] + added) * s.scale : output[at] * s.scale + added;
      output[at] = s.relu ? Math.max(y, 0) : y;
    }
}

/** dWeight (overwritten) from dOutput [B, T', w]; `output` (after the ReLU) masks it if relu is set. */
export function embedBackward(
  s: EmbedShape,
  batch: number,
  tokens: Uint32Array,
  output: Float64Array | undefined,
  dOutput: Float64Array,
  dWeight: Float64Array,
): void {
  const { width } = s;
  dWeight.fill(0, 0, (s.local ? s.windows : 1) * s.filter * s.v * width);
  eachWindow(s, batch, tokens, (row, weightRow, x) => {
    for (let c = 0; c < width; c++) {
      const at = row * width + c;
      if (s.relu && !(output![at] > 0)) continue;
      dWeight[weightRow * width + c] += x * s.scale * dOutput[at];
    }
  });
}
