/**
 * Functions that WebAssembly lacks. Only correctly rounded operations are used, so every engine returns the same bits.
 */
import { madd } from './madd';

/**
 * exp of four f32; relative error below 2 * 2^-24 if the result is normal, 0 below -87.33, infinity above 88.72. exp(x) = 2^n
 * exp(r), r = x - n ln 2; the polynomial is that of Cephes' expf (S. Moshier).
 */
export function exp4(x: v128): v128 {
  const low = f32x4.splat(-87.33654);
  const high = f32x4.splat(88.722839);
  const n = f32x4.nearest(f32x4.mul(f32x4.max(f32x4.min(x, high), low), f32x4.splat(1.44269504)));
  let r = madd(n, f32x4.splat(-0.693359375), x);
  r = madd(n, f32x4.splat(2.1219444e-4), r);
  let y = f32x4.splat(1.98756915e-4);
  y = madd(y, r, f32x4.splat(1.3981999507e-3));
  y = madd(y, r, f32x4.splat(8.3334519073e-3));
  y = madd(y, r, f32x4.splat(4.1665795894e-2));
  y = madd(y, r, f32x4.splat(1.6666665459e-1));
  y = madd(y, r, f32x4.splat(5.0000001201e-1));
  y = f32x4.add(madd(y, f32x4.mul(r, r), r), f32x4.splat(1));
  // 2^n in two factors: n may be 128.
  const whole = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(whole, 1);
  y = f32x4.mul(f32x4.mul(y, power(half)), power(i32x4.sub(whole, half)));
  y = v128.andnot(y, f32x4.lt(x, low));
  return v128.bitselect(f32x4.splat(Infinity), y, f32x4.gt(x, high));
}

/** 2^n of four integers from -126 to 127. */
function power(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** The first lane of exp4: the same bits as in a vector. */
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** Natural logarithm, in float64 (error below 1 ulp: musl's log, in AssemblyScript's library), rounded to f32. */
export function log1(x: f32): f32 {
  return <f32>NativeMath.log(<f64>x);
}

/** Cosine, in float64 (error below 1 ulp: musl's cos, in AssemblyScript's library). */
export function cos1(x: f64): f64 {
  return NativeMath.cos(x);
}

/** 1 - exp(-x), in float64 (error below 1 ulp: musl's expm1, in AssemblyScript's library), rounded to f32. */
export function oneMinusExp(x: f64): f32 {
  return <f32>-NativeMath.expm1(-x);
}

/** (x0 + x1) + (x2 + x3) */
export function sum4(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}
