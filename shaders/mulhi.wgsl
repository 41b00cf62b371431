// The upper 32 bits of the product of two 32-bit words; precedes shaders that draw whole numbers.
fn mulhi(x: u32, y: u32) -> u32 {
  let x0 = x & 0xffffu;
  let x1 = x >> 16u;
  let y0 = y & 0xffffu;
  let y1 = y >> 16u;
  let mid = x1 * y0 + ((x0 * y0) >> 16u);
  return x1 * y1 + (mid >> 16u) + (((mid & 0xffffu) + x0 * y1) >> 16u);
}
