/**
 * Standard normal numbers of a stream, two at a time. Twin: src/core/normal.ts, which gives the sources and the reasons; the bits
 * are equal.
 */
import { threefry8 } from './fast';

/**
 * Numbers first, first + 1, ... of the stream as f32 to out; count is a multiple of 8, first + count at most 2^32.
 * scratch: 64 bytes.
 */
export function fillNormal(k0: u32, k1: u32, first: u32, count: u32, out: usize, scratch: usize): void {
  for (let done: u32 = 0; done < count; done += 8) {
    threefry8(k0, k1, first + done, 0, scratch);
    for (let at = scratch; at < scratch + 32; at += 8, out += 8) normal2(at, out);
  }
}

/** Two numbers, from the words at `at` and at + 32. */
function normal2(at: usize, out: usize): void {
  const high = f64x2.convert_low_i32x4_u(i32x4.shr_u(v128.load64_zero(at), 6));
  const low = f64x2.convert_low_i32x4_u(i32x4.shr_u(v128.load64_zero(at, 32), 6));
  const bits = f64x2.add(f64x2.mul(high, f64x2.splat(67108864.0)), low);
  const p = f64x2.mul(f64x2.add(bits, f64x2.splat(0.5)), f64x2.splat(2.220446049250313e-16)); // 2^-52
  const q = f64x2.sub(p, f64x2.splat(0.5));
  const r = f64x2.sub(f64x2.splat(0.180625), f64x2.mul(q, q));
  const x = f64x2.div(f64x2.mul(q, horner2(A, r)), horner2(B, r));
  v128.store64_lane(out, f32x4.demote_f64x2_zero(x), 0);
  const outer = i64x2.bitmask(f64x2.gt(f64x2.abs(q), f64x2.splat(0.425)));
  if (outer & 1) store<f32>(out, <f32>normalTail(f64x2.extract_lane(p, 0)));
  if (outer & 2) store<f32>(out + 4, <f32>normalTail(f64x2.extract_lane(p, 1)));
}

/** The quantile for |p - 1/2| > 0.425. */
export function normalTail(p: f64): f64 {
  const lower = p < 0.5;
  let r = sqrt(-log(lower ? p : 1 - p));
  let x: f64;
  if (r <= 5) {
    r -= 1.6;
    x = horner(C, r) / horner(D, r);
  } else {
    r -= 5;
    x = horner(E, r) / horner(F, r);
  }
  return lower ? -x : x;
}

const LN2_HIGH: f64 = 0.6931471803691238;
const LN2_LOW: f64 = 1.9082149292705877e-10;
const SQRT2: f64 = 1.4142135623730951;

function log(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  let k = <f64>(<i32>(bits >> 52) - 1023);
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > SQRT2) {
    m /= 2;
    k += 1;
  }
  const t = (m - 1) / (m + 1);
  const t2 = t * t;
  let sum: f64 = 0;
  for (let at = ODD; at < ODD + 80; at += 8) sum = (sum + load<f64>(at)) * t2;
  return k * LN2_HIGH + (k * LN2_LOW + 2 * t * (1 + sum));
}

/** 1/21, 1/19, ..., 1/3. */
const ODD = memory.data<f64>([
  1.0 / 21.0,
  1.0 / 19.0,
  1.0 / 17.0,
  1.0 / 15.0,
  1.0 / 13.0,
  1.0 / 11.0,
  1.0 / 9.0,
  1.0 / 7.0,
  1.0 / 5.0,
  1.0 / 3.0,
]);

/** Two values of the polynomial below. */
function horner2(at: usize, x: v128): v128 {
  let sum = v128.load64_splat(at, 56);
  for (let c = at + 48; c >= at; c -= 8) sum = f64x2.add(f64x2.mul(sum, x), v128.load64_splat(c));
  return sum;
}

/** The polynomial of degree 7 whose coefficients, lowest first, are at `at`. */
function horner(at: usize, x: f64): f64 {
  let sum = load<f64>(at, 56) * x + load<f64>(at, 48);
  sum = sum * x + load<f64>(at, 40);
  sum = sum * x + load<f64>(at, 32);
  sum = sum * x + load<f64>(at, 24);
  sum = sum * x + load<f64>(at, 16);
  sum = sum * x + load<f64>(at, 8);
  return sum * x + load<f64>(at);
}

const A = memory.data<f64>([
  3.387132872796366608, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
  4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
]);
const B = memory.data<f64>([
  1.0, 4.2313330701600911252e1, 6.871870074920579083e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
  3.930789580009271061e4, 2.8729085735721942674e4, 5.226495278852545925e3,
]);
const C = memory.data<f64>([
  1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504, 1.27045825245236838258,
  2.4178072517745061177e-1, 2.27238449892691845833e-2, 7.7454501427834140764e-4,
]);
const D = memory.data<f64>([
  1.0, 2.05319162663775882187, 1.6763848301838038494, 6.8976733498510000455e-1, 1.4810397642748007459e-1,
  1.51986665636164571966e-2, 5.475938084995344946e-4, 1.05075007164441684324e-9,
]);
const E = memory.data<f64>([
  6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 2.9656057182850489123e-1,
  2.6532189526576123093e-2, 1.2426609473880784386e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7,
]);
const F = memory.data<f64>([
  1.0, 5.9983220655588793769e-1, 1.3692988092273580531e-1, 1.48753612908506148525e-2, 7.868691311456132591e-4,
  1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15,
]);
