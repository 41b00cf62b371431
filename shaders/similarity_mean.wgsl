// Last of three: output[r, slot] = mean of rows[r, :]. One workgroup owns a replica; a tree sum over 64 strided sums.

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let r = wid.x;
  var sum = 0.0;
  for (var i = tid; i < p.batch; i += 64u) { sum += rows[r * p.batch + i]; }
  sums[tid] = sum;
  for (var s = 32u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (tid < s) { sums[tid] += sums[tid + s]; }
  }
  if (tid == 0u) { output[r * p.outputReplica + p.slot] = sums[0] / f32(p.batch); }
}
