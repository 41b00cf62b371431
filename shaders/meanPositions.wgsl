// output[r, b, c] = mean over positions t of input[r, b, t, c]. One thread owns one (b, c).

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let i = (wid.x + wid.y * count.x) * 64u + tid;
  if (i >= p.batch * p.channels) { return; }
  let b = i / p.channels;
  let c = i % p.channels;
  let base = wid.z * p.inputReplica + b * p.positions * p.channels + c;
  var sum = 0.0;
  for (var t = 0u; t < p.positions; t++) { sum += input[base + t * p.channels]; }
  output[wid.z * p.outputReplica + i] = sum / f32(p.positions);
}
