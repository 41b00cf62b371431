// dInput[r, b, t, c] = dOutput[r, b, c] / positions, zero where the mask (the activation after a ReLU) is not > 0.
// One thread owns one (b, t, c).

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let i = (wid.x + wid.y * count.x) * 64u + tid;
  if (i >= p.batch * p.positions * p.channels) { return; }
  let b = i / (p.positions * p.channels);
  let c = i % p.channels;
  var x = dOutput[wid.z * p.dOutputReplica + b * p.channels + c] / f32(p.positions);
  if (p.masked == 1u && !(mask[wid.z * p.maskReplica + i] > 0.0)) { x = 0.0; }
  dInput[wid.z * p.dInputReplica + i] = x;
}
