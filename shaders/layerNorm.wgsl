// Layer norm over the last dimension: output = (input - mean) * inverse * weight + bias, inverse = 1 / sqrt(variance + eps),
// the variance divided by C. Two passes: the mean first, so that large offsets do not cancel. Writes output, mean, inverse.
struct Params {
  rows: u32, channels: u32, lanes: u32, replicas: u32,
  inputReplica: u32, weightReplica: u32, biasReplica: u32, outputReplica: u32,
  meanReplica: u32, inverseReplica: u32, eps: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> inverse: array<f32>;

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
