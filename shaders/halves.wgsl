// Tensors stored as f16, four elements in two words (src/kernels/shared/storedHalves.ts): factors of products, and masks. The
// conversion is the one that products apply to f32 factors. WGSL does not specify the result for numbers beyond the range, so the
// f32 is checked first and such a number is stored as an infinity, which the products check for. A positive number that rounds to
// zero is stored as -0: it is zero as a factor and still positive as a mask.
const STORED_INFINITY = 0x7c00u;

// positives: x is a ReLU's output, whose small positive numbers a mask must distinguish from zero.
fn storedHalves(x: vec4f, positives: bool) -> vec2u {
  var words = vec2u(bitcast<u32>(vec2<f16>(x.xy)), bitcast<u32>(vec2<f16>(x.zw)));
  let bits = bitcast<vec4u>(x);
  let size = bits & vec4u(0x7fffffffu);
  if (max(max(size.x, size.y), max(size.z, size.w)) >= 0x477ff000u) { // 65520
    let over = select(vec4u(), vec4u(STORED_INFINITY), size >= vec4u(0x477ff000u));
    words |= over.xz | (over.yw << vec2u(16u));
  }
  if (positives) {
    words &= vec2u(0x7fff7fffu);
    let less = bits - vec4u(1u);
    if (min(min(less.x, less.y), min(less.z, less.w)) < 0x33000000u) { // above 0 and at most 2^-25
      let lost = less < vec4u(0x33000000u);
      words = select(words, (words & vec2u(0xffff0000u)) | vec2u(0x8000u), lost.xz);
      words = select(words, (words & vec2u(0xffffu)) | vec2u(0x80000000u), lost.yw);
    }
  }
  return words;
}

// Whether each stored number was positive.
fn storedPositive(x: vec2u) -> vec4<bool> {
  let halves = vec4u(x.x & 0xffffu, x.x >> 16u, x.y & 0xffffu, x.y >> 16u);
  return ((halves - 1u) & vec4u(0xffffu)) < vec4u(0x8000u);
}

// Whether any of four stored numbers did not fit or is NaN.
fn storedOverflow(bits: vec2u) -> bool {
  let sizes = max(vec2u(bits.x & 0x7fffu, (bits.x >> 16u) & 0x7fffu), vec2u(bits.y & 0x7fffu, (bits.y >> 16u) & 0x7fffu));
  return max(sizes.x, sizes.y) >= STORED_INFINITY;
}
