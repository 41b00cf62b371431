// output[r, i, j] = (old +) a[r, i, j] * b[r, bOffset + i bRow + j bColumn]: one factor per element, row or column. One thread
// owns one element.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let elements = p.rows * p.columns;
  if (index >= elements * p.replicas) { return; }
  let r = index / elements;
  let i = index % elements;
  let factor = b[r * p.bReplica + p.bOffset + (i / p.columns) * p.bRow + (i % p.columns) * p.bColumn];
  let at = r * p.outputReplica + i;
  var y = a[r * p.aReplica + i] * factor;
  if (p.accumulate != 0u) { y += output[at]; }
  output[at] = y;
}
