/** The three directions of largest variance, followed from one look to the next so that the picture turns, never jumps. */

export interface Cloud {
  basis: Float32Array; // [3, units], orthonormal rows
  centre: Float64Array; // [3], the mean in these directions
  variance: number[]; // [3], of the whole variance
  spread: number; // root of the variance in the three directions together
}

/** Rows of one layer at one position: row b begins at start + b * stride. */
export interface Rows {
  data: Float32Array;
  count: number;
  units: number;
  start: number;
  stride: number;
}

const FIRST = 30; // rounds from nothing
const NEXT = 4; // rounds from the last basis

export class FollowingPca {
  #basis: Float64Array | undefined;

  /** Begins anew, as for another layer. */
  forget(): void {
    this.#basis = undefined;
  }

  /** By simultaneous iteration on the covariance, which converges to its leading eigenvectors in order. */
  fit(rows: Rows): Cloud {
    const { data, count, units, start, stride } = rows;
    const mean = new Float64Array(units);
    for (let b = 0; b < count; b++) for (let u = 0; u < units; u++) mean[u] += data[start + b * stride + u] / count;
    let total = 0;
    for (let b = 0; b < count; b++)
      for (let u = 0; u < units; u++) total += (data[start + b * stride + u] - mean[u]) ** 2 / count;
    const known = this.#basis?.length === 3 * units;
    const basis = known ? this.#basis! : startBasis(units);
    let variance = [0, 0, 0];
    for (let round = known ? NEXT : FIRST; round > 0; round--) variance = iterate(rows, mean, basis);
    this.#basis = basis;
    const centre = new Float64Array(3);
    for (let k = 0; k < 3; k++) for (let u = 0; u < units; u++) centre[k] += basis[k * units + u] * mean[u];
    const held = variance.reduce((a, b) => a + b, 0);
    return {
      basis: Float32Array.from(basis),
      centre,
      variance: variance.map((x) => (total > 0 ? x / total : 0)),
      spread: Math.sqrt(held),
    };
  }
}

/** One round: basis <- orthonormal rows of (covariance x basis). Returns the variances along the rows it began with. */
function iterate(rows: Rows, mean: Float64Array, basis: Float64Array): number[] {
  const { data, count, units, start, stride } = rows;
  const next = new Float64Array(3 * units);
  const variance = [0, 0, 0];
  const x = new Float64Array(units);
  for (let b = 0; b < count; b++) {
    for (let u = 0; u < units; u++) x[u] = data[start + b * stride + u] - mean[u];
    for (let k = 0; k < 3; k++) {
      let dot = 0;
      for (let u = 0; u < units; u++) dot += x[u] * basis[k * units + u];
      variance[k] += (dot * dot) / count;
      for (let u = 0; u < units; u++) next[k * units + u] += (dot * x[u]) / count;
    }
  }
  orthonormalise(next, basis, units);
  return variance;
}

/** Gram-Schmidt on the rows of `next` into `basis`; a row that is nothing new keeps its old direction where it can. */
function orthonormalise(next: Float64Array, basis: Float64Array, units: number): void {
  for (let k = 0; k < Math.min(3, units); k++) {
    for (const row of [next.slice(k * units, (k + 1) * units), basis.slice(k * units, (k + 1) * units)]) {
      const before = Math.hypot(...row);
      for (let j = 0; j < k; j++) {
        let dot = 0;
        for (let u = 0; u < units; u++) dot += row[u] * basis[j * units + u];
        for (let u = 0; u < units; u++) row[u] -= dot * basis[j * units + u];
      }
      const norm = Math.hypot(...row);
      if (!(norm > 1e-9 * before && norm > 1e-30)) continue;
      for (let u = 0; u < units; u++) basis[k * units + u] = row[u] / norm;
      break;
    }
  }
}

/** Three orthonormal rows that favour no unit: cosines of the first frequencies. Fewer units give fewer rows. */
function startBasis(units: number): Float64Array {
  const basis = new Float64Array(3 * units);
  const rows = new Float64Array(3 * units);
  for (let k = 0; k < 3; k++)
    for (let u = 0; u < units; u++) rows[k * units + u] = Math.cos((Math.PI * (k + 1) * (u + 0.5)) / units);
  orthonormalise(rows, basis, units);
  return basis;
}
