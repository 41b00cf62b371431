// Memory access of the attention kernels for head sizes that are not multiples of 4: `valid` columns of the head are left
// at `index`, the rest reads as zero and is not written. Twin: attention_vec4.wgsl.

fn loadQkv(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = qkv[index + i]; }
  return x;
}
fn loadDOut(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = dOut[index + i]; }
  return x;
}
fn storeResult(index: u32, valid: u32, value: vec4f) {
  for (var i = 0u; i < min(valid, 4u); i++) { result[index + i] = value[i]; }
}
// For kernels that walk a head's row by themselves: Value d of the row that starts at `base`.
alias Value = f32;
const LANES = 1u;
fn qkvAt(base: u32, d: u32) -> Value { return qkv[base + d]; }
fn dOutAt(base: u32, d: u32) -> Value { return dOut[base + d]; }
fn storeAt(base: u32, d: u32, value: Value) { result[base + d] = value; }
fn total(x: Value) -> f32 { return x; }
