/** float64 reference. input [batch, positions, channels] -> output [batch, channels]. */
export function meanPositions(
  batch: number,
  positions: number,
  channels: number,
  input: Float64Array,
  output: Float64Array,
): void {
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let t = 0; t < positions; t++) sum += input[(b * positions + t) * channels + c];
      output[b * channels + c] = sum / positions;
    }
}

/** dInput (overwritten) from dOutput [batch, channels]; zero where the mask [batch, positions, channels] is not > 0. */
export function meanPositionsBackward(
  batch: number,
  positions: number,
  channels: number,
  dOutput: Float64Array,
  mask: Float64Array | undefined,
  dInput: Float64Array,
): void {
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < positions; t++)
      for (let c = 0; c < channels; c++) {
        const at = (b * positions + t) * channels + c;
        dInput[at] = mask && !(mask[at] > 0) ? 0 : dOutput[b * channels + c] / positions;
      }
}
