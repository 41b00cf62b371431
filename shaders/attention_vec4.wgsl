// Memory access of the attention kernels, four floats at a time: every row and head starts at a multiple of 4. Twin:
// attention_scalar.wgsl. `valid` columns of the head remain at `index`, here 0 or at least 4.

fn loadQkv(index: u32, valid: u32) -> vec4f {
  if (valid == 0u) { return vec4f(0.0); }
  return rounded(qkv[index >> 2u], index / p.qkvReplica);
}
fn loadDOut(index: u32, valid: u32) -> vec4f {
  if (valid == 0u) { return vec4f(0.0); }
  return rounded(dOut[index >> 2u], index / p.outReplica);
}
fn storeResult(index: u32, valid: u32, value: vec4f) { result[index >> 2u] = value; }
// For kernels that read a head's row directly: Value d of the row that starts at `base`.
alias Value = vec4f;
const LANES = 4u;
fn qkvAt(base: u32, d: u32) -> Value { return rounded(qkv[(base >> 2u) + d], base / p.qkvReplica); }
fn dOutAt(base: u32, d: u32) -> Value { return rounded(dOut[(base >> 2u) + d], base / p.outReplica); }
fn storeAt(base: u32, d: u32, value: Value) { result[(base >> 2u) + d] = value; }
fn roundedOf(x: Value, r: u32) -> Value { return rounded(x, r); }
fn total(x: Value) -> f32 { return x.x + x.y + x.z + x.w; }
