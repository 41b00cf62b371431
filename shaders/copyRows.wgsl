// output[r, b, outputFirst + i, j] = (old +) input[r, b, inputFirst + i, j] for i below rows; the other rows stay. One thread owns one
// element.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let block = p.rows * p.columns;
  let elements = p.batch * block;
  if (index >= elements * p.replicas) { return; }
  let r = index / elements;
  let b = index % elements / block;
  let i = index % block;
  let at = r * p.outputReplica + (b * p.outputRows + p.outputFirst) * p.columns + i;
  var y = input[r * p.inputReplica + (b * p.inputRows + p.inputFirst) * p.columns + i];
  if (p.accumulate != 0u) { y += output[at]; }
  output[at] = y;
}
