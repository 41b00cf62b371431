// biome-ignore-all lint/correctness/noPrecisionLoss: coefficients with the digits of the publication
/**
 * Standard normal numbers with the same bits on every platform: only + - * / and sqrt, which IEEE 754 rounds exactly, on
 * bits from Threefry. Math.log and similar functions are implementation-defined in ECMAScript and do differ. Twin: assembly/normal.ts.
 */
import { type Key, threefryInto } from './threefry.js';

const words = new Uint32Array(2);

/** The i-th standard normal number of a stream, rounded to f32. Each uses 53 random bits. */
export function normalAt(key: Key, i: number): number {
  threefryInto(words, key, i >>> 0, Math.floor(i / 2 ** 32));
  // Uniform on (0, 1), symmetric about 1/2: (k + 1/2) / 2^53, where 52 bits of k are used.
  const u = ((words[0] >>> 6) * 2 ** 26 + (words[1] >>> 6) + 0.5) / 2 ** 52;
  return Math.fround(inverseNormal(u));
}

/** Fills out with normalAt(key, 0), normalAt(key, 1), ... */
export function fillNormal(key: Key, out: Float32Array | Float64Array): void {
  for (let i = 0; i < out.length; i++) out[i] = normalAt(key, i);
}

/**
 * Inverse of the normal distribution function, about 16 digits. 0 < p < 1.
 * Source: Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37 (1988), PPND16.
 */
export function inverseNormal(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(A, r)) / polynomial(B, r);
  }
  let r = Math.sqrt(-log(q < 0 ? p : 1 - p));
  let x: number;
  if (r <= 5) {
    r -= 1.6;
    x = polynomial(C, r) / polynomial(D, r);
  } else {
    r -= 5;
    x = polynomial(E, r) / polynomial(F, r);
  }
  return q < 0 ? -x : x;
}

const view = new DataView(new ArrayBuffer(8));
const LN2_HIGH = 0.6931471803691238; // ln 2 in two parts, the first with trailing zero bits so that k * LN2_HIGH is exact
const LN2_LOW = 1.9082149292705877e-10;

/** Natural logarithm of a positive normal number, within 2 ulp: mantissa in [sqrt(1/2), sqrt(2)), then the atanh series. */
export function log(x: number): number {
  view.setFloat64(0, x);
  const high = view.getUint32(0);
  let k = (high >>> 20) - 1023;
  view.setUint32(0, (high & 0x000fffff) | 0x3ff00000);
  let m = view.getFloat64(0); // [1, 2)
  if (m > Math.SQRT2) {
    m /= 2;
    k += 1;
  }
  const t = (m - 1) / (m + 1); // log m = 2 atanh t, |t| < 0.1716
  const t2 = t * t;
  let sum = 0;
  for (let i = 21; i >= 3; i -= 2) sum = (sum + 1 / i) * t2;
  return k * LN2_HIGH + (k * LN2_LOW + 2 * t * (1 + sum));
}

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i];
  return sum;
}

const A = [
  3.387132872796366608, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
  4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
];
const B = [
  1, 4.2313330701600911252e1, 6.871870074920579083e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
  3.930789580009271061e4, 2.8729085735721942674e4, 5.226495278852545925e3,
];
const C = [
  1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504, 1.27045825245236838258,
  2.4178072517745061177e-1, 2.27238449892691845833e-2, 7.7454501427834140764e-4,
];
const D = [
  1, 2.05319162663775882187, 1.6763848301838038494, 6.8976733498510000455e-1, 1.4810397642748007459e-1,
  1.51986665636164571966e-2, 5.475938084995344946e-4, 1.05075007164441684324e-9,
];
const E = [
  6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 2.9656057182850489123e-1,
  2.6532189526576123093e-2, 1.2426609473880784386e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
];
const F = [
  1, 5.9983220655588793769e-1, 1.3692988092273580531e-1, 1.48753612908506148525e-2, 7.868691311456132591e-4,
  1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
];
