// Memory access of the matmul kernels for shapes and strides that are not multiples of 4: `valid` elements of the row remain
// at `index`; the rest is read as zero and not written. Twin: matmul_vec4.wgsl.

fn loadA(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  if (valid > 0u) { x.x = a[index]; }
  if (valid > 1u) { x.y = a[index + 1u]; }
  if (valid > 2u) { x.z = a[index + 2u]; }
  if (valid > 3u) { x.w = a[index + 3u]; }
  return x;
}
fn loadB(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  if (valid > 0u) { x.x = b[index]; }
  if (valid > 1u) { x.y = b[index + 1u]; }
  if (valid > 2u) { x.z = b[index + 2u]; }
  if (valid > 3u) { x.w = b[index + 3u]; }
  return x;
}
fn loadBias(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = bias[index + i]; }
  return x;
}
fn loadMask(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = mask[index + i]; }
  return x;
}
fn loadResidual(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = residual[index + i]; }
  return x;
}
fn loadC(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = c[index + i]; }
  return x;
}
fn storeC(index: u32, valid: u32, value: vec4f) {
  if (valid > 0u) { c[index] = value.x; }
  if (valid > 1u) { c[index + 1u] = value.y; }
  if (valid > 2u) { c[index + 2u] = value.z; }
  if (valid > 3u) { c[index + 3u] = value.w; }
}
