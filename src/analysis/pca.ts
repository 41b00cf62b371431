/**
 * The three directions of largest variance, in float64, tracked from one view to the next so that the picture rotates and never jumps.
 */

export interface Cloud {
  basis: Float32Array; // [3, units], orthonormal rows that span the three principal components; zeros where units < 3
  centre: Float64Array; // [3], the mean in these directions
  variance: number[]; // [3], variances of the principal components, descending, as fractions of the total variance
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

const BLOCK = 6; // directions that are iterated together: the extra ones speed up the first three
const FIRST = 300; // maximum number of rounds, from a cold start
const NEXT = 30; // from the last basis, which is close
const RESIDUAL = 1e-9; // of the components, over the total variance: the iteration then stops
const EXPLICIT = 96; // up to this many units the covariance matrix is computed explicitly

export class FollowingPca {
  #basis: Float64Array | undefined;

  /** Starts over, as for another layer. */
  forget(): void {
    this.#basis = undefined;
  }

  /**
   * Subspace iteration on the covariance with a Rayleigh-Ritz step per round. The new directions are rotated rigidly within their span to
   * be as close as possible to the previous ones, so that nothing jumps when components change sign or order. In the first call, and if
   * the two spans have nothing in common, they are the components themselves with their largest loading positive.
   */
  fit({ data, count, units, start, stride }: Rows): Cloud {
    const mean = new Float64Array(units);
    for (let b = 0; b < count; b++) for (let u = 0; u < units; u++) mean[u] += data[start + b * stride + u] / count;
    const centred = new Float64Array(count * units);
    let total = 0;
    for (let b = 0; b < count; b++)
      for (let u = 0; u < units; u++) {
        const x = data[start + b * stride + u] - mean[u];
        centred[b * units + u] = x;
        total += (x * x) / count;
      }
    const cloud: Cloud = {
      basis: new Float32Array(3 * units),
      centre: new Float64Array(3),
      variance: [0, 0, 0],
      spread: 0,
    };
    if (!(total > 1e-30) || !Number.isFinite(total)) return cloud;
    const before = this.#basis?.length === 3 * units ? this.#basis : undefined;
    const apply = units <= EXPLICIT ? explicit(centred, count, units) : implicit(centred, count, units);
    const { vectors, values } = leading(apply, units, total, before);
    const kept = Math.min(3, units);
    const basis = new Float64Array(3 * units);
    basis.set(vectors.subarray(0, kept * units));
    if (before) align(basis, before, units, kept);
    else pointForward(basis, units, kept);
    this.#basis = basis;
    cloud.basis.set(basis);
    for (let k = 0; k < 3; k++) for (let u = 0; u < units; u++) cloud.centre[k] += basis[k * units + u] * mean[u];
    const held = [0, 1, 2].map((k) => Math.max(0, values[k] ?? 0));
    cloud.variance = held.map((x) => x / total);
    cloud.spread = Math.sqrt(held.reduce((a, b) => a + b, 0));
    return cloud;
  }
}

/**
 * The rows in their three directions of largest variance [count, 3], about their mean, in units of the root mean square distance from it.
 * towards: coordinates of the same rows in another layer or network, to which these are rotated to be as close as possible.
 */
export function projectRows(rows: Rows, towards?: Float64Array): Float64Array {
  const { data, count, units, start, stride } = rows;
  const { basis, centre, spread } = new FollowingPca().fit(rows);
  const points = new Float64Array(3 * count);
  for (let b = 0; b < count; b++)
    for (let k = 0; k < 3; k++) {
      let x = -centre[k];
      for (let u = 0; u < units; u++) x += basis[k * units + u] * data[start + b * stride + u];
      points[3 * b + k] = spread > 0 ? x / spread : 0;
    }
  return towards ? turned(points, towards) : points;
}

/** points [N, 3], rotated or mirrored to maximise the sum of their products with `towards`. */
function turned(points: Float64Array, towards: Float64Array): Float64Array {
  const columns = (from: Float64Array) =>
    [0, 1, 2].map((k) => Float64Array.from({ length: from.length / 3 }, (_, b) => from[3 * b + k]));
  const [mine, wanted] = [columns(points), columns(towards)];
  const overlap = Float64Array.from({ length: 9 }, (_, i) => dot(mine[Math.floor(i / 3)], wanted[i % 3]));
  const factor = orthogonalFactor(overlap, 3);
  if (!factor) return points;
  return points.map((_, i) => {
    const b = i - (i % 3);
    return [0, 1, 2].reduce((sum, k) => sum + points[b + k] * factor[3 * k + (i % 3)], 0);
  });
}

/**
 * Fraction of the variance that is within the classes: 1 if a class says nothing about a row, 0 if it says everything. NaN without any
 * variance.
 */
export function varianceWithin(
  { data, count, units, start, stride }: Rows,
  classes: ArrayLike<number>,
  kinds: number,
): number {
  const sizes = new Float64Array(kinds);
  const means = new Float64Array((kinds + 1) * units); // the last of all rows
  for (let b = 0; b < count; b++) sizes[classes[b]]++;
  for (let b = 0; b < count; b++)
    for (let u = 0; u < units; u++) {
      const x = data[start + b * stride + u];
      means[classes[b] * units + u] += x / sizes[classes[b]];
      means[kinds * units + u] += x / count;
    }
  let within = 0;
  let total = 0;
  for (let b = 0; b < count; b++)
    for (let u = 0; u < units; u++) {
      const x = data[start + b * stride + u];
      within += (x - means[classes[b] * units + u]) ** 2;
      total += (x - means[kinds * units + u]) ** 2;
    }
  return total > 0 ? within / total : Number.NaN;
}

type Operator = (v: Float64Array) => Float64Array;

function explicit(x: Float64Array, count: number, width: number): Operator {
  const covariance = new Float64Array(width * width);
  for (let i = 0; i < count; i++)
    for (let a = 0; a < width; a++) {
      const xa = x[i * width + a] / count;
      if (xa !== 0) for (let b = 0; b < width; b++) covariance[a * width + b] += xa * x[i * width + b];
    }
  return (v) => {
    const out = new Float64Array(width);
    for (let a = 0; a < width; a++) {
      let sum = 0;
      for (let b = 0; b < width; b++) sum += covariance[a * width + b] * v[b];
      out[a] = sum;
    }
    return out;
  };
}

function implicit(x: Float64Array, count: number, width: number): Operator {
  return (v) => {
    const out = new Float64Array(width);
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += x[i * width + c] * v[c];
      sum /= count;
      for (let c = 0; c < width; c++) out[c] += sum * x[i * width + c];
    }
    return out;
  };
}

/** The leading eigenvectors [BLOCK, W] of a positive operator and their eigenvalues, the largest first. */
function leading(apply: Operator, width: number, total: number, start?: Float64Array) {
  const k = Math.min(BLOCK, width);
  const rounds = start ? NEXT : FIRST;
  let basis = Array.from({ length: k }, (_, i) =>
    start?.length === 3 * width && i < 3 && start.subarray(i * width, (i + 1) * width).some((x) => x !== 0)
      ? start.slice(i * width, (i + 1) * width)
      : Float64Array.from({ length: width }, (_, c) => Math.sin(1 + 12.9898 * (c + 1) * (i + 1) + 78.233 * i)),
  );
  let values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    orthonormalise(basis);
    const images = basis.map(apply);
    const small = new Float64Array(k * k);
    for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) small[i * k + j] = dot(basis[i], images[j]);
    const eigen = symmetricEigen(small, k);
    values = eigen.values;
    const mix = (from: Float64Array[], e: number) => {
      const out = new Float64Array(width);
      for (let i = 0; i < k; i++) addScaled(out, from[i], eigen.vectors[i * k + e]);
      return out;
    };
    const vectors = values.map((_, e) => mix(basis, e));
    const moved = values.map((_, e) => mix(images, e));
    const residual = Math.max(
      ...[0, 1, 2].slice(0, k).map((e) => {
        const r = moved[e].slice();
        addScaled(r, vectors[e], -values[e]);
        return Math.sqrt(dot(r, r));
      }),
    );
    basis = vectors;
    if (!(residual > RESIDUAL * total)) break;
    if (round < rounds - 1) basis = moved;
  }
  const packed = new Float64Array(k * width);
  basis.forEach((v, i) => {
    packed.set(v, i * width);
  });
  return { vectors: packed, values };
}

/** Gram-Schmidt, twice; a direction that vanishes is replaced by one of the coordinate axes. */
function orthonormalise(vectors: Float64Array[]): void {
  let spare = 0;
  for (let i = 0; i < vectors.length; i++)
    for (let attempt = 0; ; attempt++) {
      const v = vectors[i];
      const before = Math.sqrt(dot(v, v));
      for (let pass = 0; pass < 2; pass++) for (let j = 0; j < i; j++) addScaled(v, vectors[j], -dot(v, vectors[j]));
      const norm = Math.sqrt(dot(v, v));
      if (norm > 1e-10 * before && norm > 0) {
        for (let c = 0; c < v.length; c++) v[c] /= norm;
        break;
      }
      if (attempt > v.length) break;
      v.fill(0);
      v[spare++ % v.length] = 1;
    }
}

/** Eigenvalues in falling order and eigenvectors (columns) of a symmetric matrix [k, k]: cyclic Jacobi rotations. */
function symmetricEigen(matrix: Float64Array, k: number): { values: number[]; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const v = new Float64Array(k * k);
  for (let i = 0; i < k; i++) v[i * k + i] = 1;
  for (let sweep = 0; sweep < 40; sweep++) {
    let off = 0;
    let size = 0;
    for (let i = 0; i < k; i++)
      for (let j = 0; j < k; j++) {
        size += a[i * k + j] ** 2;
        if (i !== j) off += a[i * k + j] ** 2;
      }
    if (!(off > 1e-30 * size)) break;
    for (let p = 0; p < k; p++)
      for (let q = p + 1; q < k; q++) {
        if (a[p * k + q] === 0) continue;
        const theta = (a[q * k + q] - a[p * k + p]) / (2 * a[p * k + q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        const turn = (m: Float64Array, x: number, y: number) => {
          const [mx, my] = [m[x], m[y]];
          m[x] = c * mx - s * my;
          m[y] = s * mx + c * my;
        };
        for (let i = 0; i < k; i++) turn(a, i * k + p, i * k + q);
        for (let i = 0; i < k; i++) turn(a, p * k + i, q * k + i);
        for (let i = 0; i < k; i++) turn(v, i * k + p, i * k + q);
      }
  }
  const order = Array.from({ length: k }, (_, i) => i).sort((i, j) => a[j * k + j] - a[i * k + i]);
  const vectors = new Float64Array(k * k);
  for (let i = 0; i < k; i++)
    order.forEach((e, j) => {
      vectors[i * k + j] = v[i * k + e];
    });
  return { values: order.map((e) => a[e * k + e]), vectors };
}

/** Rotates the rows of `axes` within their span towards `previous`: the orthogonal factor of their overlaps, M (M^T M)^(-1/2). */
function align(axes: Float64Array, previous: Float64Array, width: number, kept: number): void {
  const row = (m: Float64Array, i: number) => m.subarray(i * width, (i + 1) * width);
  const overlap = new Float64Array(kept * kept);
  for (let i = 0; i < kept; i++)
    for (let j = 0; j < kept; j++) overlap[i * kept + j] = dot(row(axes, i), row(previous, j));
  const factor = orthogonalFactor(overlap, kept);
  if (!factor) {
    pointForward(axes, width, kept); // nothing in common with the previous view
    return;
  }
  const turned = new Float64Array(kept * width);
  for (let j = 0; j < kept; j++)
    for (let i = 0; i < kept; i++) addScaled(row(turned, j), row(axes, i), factor[i * kept + j]);
  axes.set(turned);
}

/** The orthogonal factor of a matrix [k, k], M (M^T M)^(-1/2); undefined if it is nearly singular. */
function orthogonalFactor(matrix: Float64Array, k: number): Float64Array | undefined {
  const gram = new Float64Array(k * k);
  for (let i = 0; i < k; i++)
    for (let j = 0; j < k; j++) for (let l = 0; l < k; l++) gram[i * k + j] += matrix[l * k + i] * matrix[l * k + j];
  const { values, vectors } = symmetricEigen(gram, k);
  if (!(values[k - 1] > 1e-6)) return undefined;
  const factor = new Float64Array(k * k);
  for (let i = 0; i < k; i++)
    for (let j = 0; j < k; j++)
      for (let l = 0; l < k; l++)
        for (let e = 0; e < k; e++)
          factor[i * k + j] += (matrix[i * k + l] * vectors[l * k + e] * vectors[j * k + e]) / Math.sqrt(values[e]);
  return factor;
}

function pointForward(axes: Float64Array, width: number, kept: number): void {
  for (let k = 0; k < kept; k++) {
    const v = axes.subarray(k * width, (k + 1) * width);
    let largest = 0;
    for (const x of v) if (Math.abs(x) > Math.abs(largest) * (1 + 1e-9)) largest = x;
    if (largest < 0) for (let c = 0; c < width; c++) v[c] = -v[c];
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function addScaled(to: Float64Array, from: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i] += factor * from[i];
}
