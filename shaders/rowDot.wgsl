// output[r, offset + i stride] = (old +) sum over j of a[r, i, j] b[r, i, j]. A row is processed by `lanes` neighbouring threads
// (layerNorm_core.wgsl).

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * (64u / p.lanes) + tid / p.lanes;
  let exists = index < p.rows * p.replicas;
  let r = select(0u, index / p.rows, exists);
  let row = index % p.rows;
  var sum = 0.0;
  for (var j = select(p.columns, tid % p.lanes, exists); j < p.columns; j += p.lanes) {
    sum = fma(a[r * p.aReplica + row * p.columns + j], b[r * p.bReplica + row * p.columns + j], sum);
  }
  sum = rowSum(tid, p.lanes, vec2f(sum, 0.0)).x;
  if (exists && tid % p.lanes == 0u) {
    let at = r * p.outputReplica + p.offset + row * p.stride;
    if (p.accumulate != 0u) { sum += output[at]; }
    output[at] = sum;
  }
}
