/** float64 reference of layer norm over the last dimension, one replica; rows * channels elements. */
export function layerNorm(
  rows: number,
  channels: number,
  eps: number,
  input: Float64Array,
  weight: Float64Array, // [C]
  bias: Float64Array, // [C]
  output: Float64Array,
  mean: Float64Array, // [rows]
  inverse: Float64Array, // [rows], 1 / sqrt(variance + eps)
): void {
  for (let row = 0; row < rows; row++) {
    const x = input.subarray(row * channels, (row + 1) * channels);
    const middle = x.reduce((a, b) => a + b, 0) / channels;
    const variance = x.reduce((a, b) => a + (b - middle) ** 2, 0) / channels;
    mean[row] = middle;
    inverse[row] = 1 / Math.sqrt(variance + eps);
    for (let c = 0; c < channels; c++)
      output[row * channels + c] = (x[c] - middle) * inverse[row] * weight[c] + bias[c];
  }
}

/** Gradients of layerNorm. Overwrites dWeight and dBias; dInput too unless accumulate. */
export function layerNormBackward(
  rows: number,
  channels: number,
  accumulate: boolean,
  input: Float64Array,
  weight: Float64Array,
  mean: Float64Array,
  inverse: Float64Array,
  dOutput: Float64Array,
  dInput: Float64Array,
  dWeight: Float64Array,
  dBias: Float64Array,
): void {
  dWeight.fill(0, 0, channels);
  dBias.fill(0, 0, channels);
  for (let row = 0; row < rows; row++) {
    const normal = (c: number) => (input[row * channels + c] - mean[row]) * inverse[row];
    let meanG = 0;
    let meanGN = 0;
    for (let c = 0; c < channels; c++) {
      const d = dOutput[row * channels + c];
      dWeight[c] += d * normal(c);
      dBias[c] += d;
      meanG += (d * weight[c]) / channels;
      meanGN += (d * weight[c] * normal(c)) / channels;
    }
    for (let c = 0; c < channels; c++) {
      const at = row * channels + c;
      const x = inverse[row] * (dOutput[at] * weight[c] - meanG - normal(c) * meanGN);
      dInput[at] = accumulate ? dInput[at] + x : x;
    }
  }
}
