// Memory access of the matmul kernels, four floats at a time. Every offset, stride and contiguous dimension is a multiple
// of 4 here, so `valid` (elements left in the row) is 0 or at least 4. Twin: matmul_scalar.wgsl.

fn loadA(index: u32, valid: u32) -> vec4f {
  if (valid == 0u) { return vec4f(0.0); }
  return a[index >> 2u];
}
fn loadB(index: u32, valid: u32) -> vec4f {
  if (valid == 0u) { return vec4f(0.0); }
  return b[index >> 2u];
}
fn loadBias(index: u32, valid: u32) -> vec4f { return bias[index >> 2u]; }
fn loadMask(index: u32, valid: u32) -> vec4f { return mask[index >> 2u]; }
fn loadResidual(index: u32, valid: u32) -> vec4f { return residual[index >> 2u]; }
fn loadC(index: u32, valid: u32) -> vec4f { return c[index >> 2u]; }
fn storeC(index: u32, valid: u32, value: vec4f) { c[index >> 2u] = value; }
