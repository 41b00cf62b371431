// Gradient of layer norm's input: with n = (input - mean) * inverse and g = dOutput * weight,
//   dInput = (dInput +) inverse * (g - mean of g - n * mean of g n),  the means over the C channels of a row.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * (64u / p.lanes) + tid / p.lanes;
  let exists = index < p.rows * p.replicas;
  let r = select(0u, index / p.rows, exists);
  let row = index % p.rows;
  let base = r * p.inputReplica + row * p.channels;
  let dBase = r * p.dOutputReplica + row * p.channels;
  let first = select(p.channels, tid % p.lanes, exists);
  let middle = mean[r * p.meanReplica + row];
  let scale = inverse[r * p.inverseReplica + row];
  var sums = vec2f();
  for (var c = first; c < p.channels; c += p.lanes) {
    let g = dOutput[dBase + c] * weight[r * p.weightReplica + c];
    sums += vec2f(g, g * (input[base + c] - middle) * scale);
  }
  let means = rowSum(tid, p.lanes, sums) / f32(p.channels);
  let out = r * p.dInputReplica + row * p.channels;
  for (var c = first; c < p.channels; c += p.lanes) {
    let g = dOutput[dBase + c] * weight[r * p.weightReplica + c];
    var x = scale * (g - means.x - (input[base + c] - middle) * scale * means.y);
    if (p.accumulate != 0u) { x += dInput[out + c]; }
    dInput[out + c] = x;
  }
}
