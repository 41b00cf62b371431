// Gradient of RMS norm's input: with n = input * inverse and g = dOutput * weight,
//   dInput = (dInput +) inverse * (g - n * mean of g n),  the mean over the C channels of a row.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * (64u / p.lanes) + tid / p.lanes;
  let exists = index < p.rows * p.replicas;
  let r = select(0u, index / p.rows, exists);
  let row = index % p.rows;
  let base = r * p.inputReplica + row * p.channels;
  let dBase = r * p.dOutputReplica + row * p.channels;
  let first = select(p.channels, tid % p.lanes, exists);
  let scale = inverse[r * p.inverseReplica + row];
  var sum = 0.0;
  for (var c = first; c < p.channels; c += p.lanes) {
    sum = fma(dOutput[dBase + c] * weight[r * p.weightReplica + c], input[base + c] * scale, sum);
  }
  let mean = rowSum(tid, p.lanes, vec2f(sum, 0.0)).x / f32(p.channels);
  let out = r * p.dInputReplica + row * p.channels;
  for (var c = first; c < p.channels; c += p.lanes) {
    var x = scale * (dOutput[dBase + c] * weight[r * p.weightReplica + c] - input[base + c] * scale * mean);
    if (p.accumulate != 0u) { x += dInput[out + c]; }
    dInput[out + c] = x;
  }
}
