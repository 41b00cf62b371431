// Layer norm over the last dimension: output = (input - mean) * inverse * weight + bias, inverse = 1 / sqrt(variance + eps),
// the variance divided by C. Two passes: the mean first, so that large offsets do not cancel. Writes output, mean, inverse.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * (64u / p.lanes) + tid / p.lanes;
  let exists = index < p.rows * p.replicas;
  let r = index / p.rows;
  let row = index % p.rows;
  let base = r * p.inputReplica + row * p.channels;
  let first = select(p.channels, tid % p.lanes, exists);
  var sum = 0.0;
  for (var c = first; c < p.channels; c += p.lanes) { sum += input[base + c]; }
  let middle = rowSum(tid, p.lanes, vec2f(sum, 0.0)).x / f32(p.channels);
  var squares = 0.0;
  for (var c = first; c < p.channels; c += p.lanes) {
    let x = input[base + c] - middle;
    squares = fma(x, x, squares);
  }
  let variance = rowSum(tid, p.lanes, vec2f(squares, 0.0)).x / f32(p.channels);
  let scale = 1.0 / sqrt(variance + p.eps);
  let out = r * p.outputReplica + row * p.channels;
  for (var c = first; c < p.channels; c += p.lanes) {
    output[out + c] = (input[base + c] - middle) * scale * weight[r * p.weightReplica + c] + bias[r * p.biasReplica + c];
  }
  if (exists && tid % p.lanes == 0u) {
    mean[r * p.meanReplica + row] = middle;
    inverse[r * p.inverseReplica + row] = scale;
  }
}
