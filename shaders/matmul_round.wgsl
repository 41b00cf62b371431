// A factor of a product, rounded to f16 and stored as f32, for adapters without matrix units. FLAGS: a number that does not fit
// marks its replica's step. One thread owns one element.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let r = index / p.elements;
  if (r >= p.replicas) { return; }
  let x = factor[r * p.factorReplica + index % p.elements];
#if FLAGS
  if (overflowsHalf(x)) { atomicOr(&scaling[r * SCALING_WORDS + SCALING_OVERFLOW], 1u); }
#end
  rounded[index] = toHalf(x);
}
