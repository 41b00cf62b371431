/** Ratio of variance to squared mean below which a unit counts as constant: in f32 the variation may be rounding alone. */
const FLAT = 1e-10;

/**
 * float64 reference: units standardised over the batch, separately for a and b; the cosine of each pair of rows; their mean. a, b
 * [batch, units]. Rows without variation: 1 if neither varies, 0 if one does.
 */
export function similarity(batch: number, units: number, a: Float64Array, b: Float64Array): number {
  const x = standardise(batch, units, a);
  const y = standardise(batch, units, b);
  let sum = 0;
  for (let i = 0; i < batch; i++) {
    let xy = 0;
    let xx = 0;
    let yy = 0;
    for (let j = i * units; j < (i + 1) * units; j++) {
      xy += x[j] * y[j];
      xx += x[j] * x[j];
      yy += y[j] * y[j];
    }
    if (xx > 0 && yy > 0) sum += xy / Math.sqrt(xx * yy);
    else if (xx === yy) sum += 1;
  }
  return sum / batch;
}

function standardise(batch: number, units: number, x: Float64Array): Float64Array {
  const out = new Float64Array(batch * units);
  for (let j = 0; j < units; j++) {
    let mean = 0;
    for (let i = 0; i < batch; i++) mean += x[i * units + j] / batch;
    let variance = 0;
    for (let i = 0; i < batch; i++) variance += (x[i * units + j] - mean) ** 2 / batch;
    if (!(variance > FLAT * mean * mean + 1e-30)) continue;
    for (let i = 0; i < batch; i++) out[i * units + j] = (x[i * units + j] - mean) / Math.sqrt(variance);
  }
  return out;
}
