// RMS norm over the last dimension: output = input * inverse * weight, inverse = 1 / sqrt(mean of squares + eps). A row is
// processed by `lanes` neighbouring threads (layerNorm_core.wgsl). Writes output and inverse.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * (64u / p.lanes) + tid / p.lanes;
  let exists = index < p.rows * p.replicas;
  let r = select(0u, index / p.rows, exists);
  let row = index % p.rows;
  let base = r * p.inputReplica + row * p.channels;
  let first = select(p.channels, tid % p.lanes, exists);
  var squares = 0.0;
  for (var c = first; c < p.channels; c += p.lanes) { squares = fma(input[base + c], input[base + c], squares); }
  let scale = 1.0 / sqrt(rowSum(tid, p.lanes, vec2f(squares, 0.0)).x / f32(p.channels) + p.eps);
  let out = r * p.outputReplica + row * p.channels;
  for (var c = first; c < p.channels; c += p.lanes) {
    output[out + c] = input[base + c] * scale * weight[r * p.weightReplica + c];
  }
  if (exists && tid % p.lanes == 0u) { inverse[r * p.inverseReplica + row] = scale; }
}
