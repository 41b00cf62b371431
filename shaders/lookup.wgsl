// output[r, i] = table[r, index[r, i]]. One thread owns one i.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let i = (wid.x + wid.y * count.x) * 64u + tid;
  if (i >= p.elements) { return; }
  let entry = min(index[wid.z * p.indexReplica + i], p.entries - 1u);
  output[wid.z * p.outputReplica + i] = table[wid.z * p.tableReplica + entry];
}
