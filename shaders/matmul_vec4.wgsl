// Memory access of the matmul kernels, four elements at a time. Every offset, stride and contiguous dimension is a multiple
// of 4 here, so `valid` (elements left in the row) is 0 or at least 4. Factors stored as f16 are two words (halves.wgsl). Twin: matmul_scalar.wgsl.

fn loadA(index: u32, valid: u32) -> FactorA {
  if (valid == 0u) { return FactorA(); }
  return a[index >> 2u];
}
fn loadB(index: u32, valid: u32) -> FactorB {
  if (valid == 0u) { return FactorB(); }
  return b[index >> 2u];
}
fn loadBias(index: u32, valid: u32) -> vec4f { return bias[index >> 2u]; }
fn loadMask(index: u32, valid: u32) -> MaskWords { return mask[index >> 2u]; }
fn loadResidual(index: u32, valid: u32) -> vec4f { return residual[index >> 2u]; }
#if HALF_C
fn loadC(index: u32, valid: u32) -> vec4f { return vec4f(); } // nothing adds to a tensor that is stored so
fn storeC(index: u32, valid: u32, value: vec4f) { c[index >> 2u] = storedHalves(value, RELU); }
#end
#if FULL_C
fn loadC(index: u32, valid: u32) -> vec4f { return c[index >> 2u]; }
fn storeC(index: u32, valid: u32, value: vec4f) { c[index >> 2u] = value; }
#end
