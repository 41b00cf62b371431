// f16 by integer arithmetic: to nearest, ties to even, subnormals kept. WGSL does not specify the direction of its own
// conversion, nor the treatment of subnormals. Beyond the range the largest half; NaN stays NaN. Twin: src/core/half.ts.
const HALF_OVERFLOW = 0x477ff000u; // bits of 65520, the smallest f32 that would round to infinity

fn magnitude(x: f32) -> u32 { return bitcast<u32>(x) & 0x7fffffffu; }
fn overflowsHalf(x: f32) -> bool { return magnitude(x) >= HALF_OVERFLOW; }

fn toHalf(x: f32) -> f32 {
  let size = magnitude(x);
  let sign = bitcast<u32>(x) & 0x80000000u;
  if (size > 0x7f800000u) { return x; }
  if (size >= HALF_OVERFLOW) { return bitcast<f32>(sign | 0x477fe000u); }
  if (size >= 0x38800000u) { // 2^-14: 13 bits fewer
    return bitcast<f32>(sign | ((size + 0xfffu + ((size >> 13u) & 1u)) & 0xffffe000u));
  }
  // Below, a whole multiple of 2^-24: the significand without its last `drop` bits.
  let drop = 126u - (size >> 23u);
  if (drop > 24u) { return bitcast<f32>(sign); }
  let significand = (size & 0x7fffffu) | 0x800000u;
  let count = (significand + (1u << (drop - 1u)) - 1u + ((significand >> drop) & 1u)) >> drop;
  return bitcast<f32>(sign | bitcast<u32>(f32(count) * 0x1p-24));
}
fn toHalf4(x: vec4f) -> vec4f { return vec4f(toHalf(x.x), toHalf(x.y), toHalf(x.z), toHalf(x.w)); }
