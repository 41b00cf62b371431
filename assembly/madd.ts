/**
 * a b + c. In the relaxed modules the engine fuses it, with one rounding (src/core/simd.ts verifies this before they are used); in the
 * plain ones it is a product and a sum, each rounded. Not suitable for a single running sum: each term would wait for the whole
 * previous operation instead of only its sum, which takes longer. Single numbers, after the last whole vector, are rounded twice in
 * both.
 */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(c, f32x4.mul(a, b));
}
