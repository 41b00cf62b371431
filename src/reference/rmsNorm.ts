/** float64 reference of RMS norm over the last dimension, one replica; rows * channels elements. */
export function rmsNorm(
  rows: number,
  channels: number,
  eps: number,
  input: Float64Array,
  weight: Float64Array, // [C]
  output: Float64Array,
  inverse: Float64Array, // [rows], 1 / sqrt(mean square + eps)
): void {
  for (let row = 0; row < rows; row++) {
    const x = input.subarray(row * channels, (row + 1) * channels);
    inverse[row] = 1 / Math.sqrt(x.reduce((a, b) => a + b * b, 0) / channels + eps);
    for (let c = 0; c < channels; c++) output[row * channels + c] = x[c] * inverse[row] * weight[c];
  }
}

/** Gradients of rmsNorm. Overwrites dWeight; dInput too unless accumulate. */
export function rmsNormBackward(
  rows: number,
  channels: number,
  accumulate: boolean,
  input: Float64Array,
  weight: Float64Array,
  inverse: Float64Array,
  dOutput: Float64Array,
  dInput: Float64Array,
  dWeight: Float64Array,
): void {
  dWeight.fill(0, 0, channels);
  for (let row = 0; row < rows; row++) {
    const normal = (c: number) => input[row * channels + c] * inverse[row];
    let mean = 0;
    for (let c = 0; c < channels; c++) {
      const d = dOutput[row * channels + c];
      dWeight[c] += d * normal(c);
      mean += (d * weight[c] * normal(c)) / channels;
    }
    for (let c = 0; c < channels; c++) {
      const at = row * channels + c;
      const x = inverse[row] * (dOutput[at] * weight[c] - normal(c) * mean);
      dInput[at] = accumulate ? dInput[at] + x : x;
    }
  }
}
