// Memory access of the attention kernels for head sizes that are not multiples of 4: `valid` columns of the head remain at
// `index`; the rest is read as zero and not written. Twin: attention_vec4.wgsl.

fn loadQkv(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = qkv[index + i]; }
  return rounded(x, index / p.qkvReplica);
}
fn loadDOut(index: u32, valid: u32) -> vec4f {
  var x = vec4f(0.0);
  for (var i = 0u; i < min(valid, 4u); i++) { x[i] = dOut[index + i]; }
  return rounded(x, index / p.outReplica);
}
fn storeResult(index: u32, valid: u32, value: vec4f) {
  for (var i = 0u; i < min(valid, 4u); i++) { result[index + i] = value[i]; }
}
// For kernels that read a head's row directly: Value d of the row that starts at `base`.
alias Value = f32;
const LANES = 1u;
fn qkvAt(base: u32, d: u32) -> Value { return roundedOf(qkv[base + d], base / p.qkvReplica); }
fn dOutAt(base: u32, d: u32) -> Value { return roundedOf(dOut[base + d], base / p.outReplica); }
fn roundedOf(x: Value, r: u32) -> Value { return rounded(vec4f(x), r).x; }
fn storeAt(base: u32, d: u32, value: Value) { result[base + d] = value; }
fn total(x: Value) -> f32 { return x; }
