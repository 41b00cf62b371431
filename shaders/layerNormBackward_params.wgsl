// Gradients of layer norm's weight and bias over one range of rows, into [splits, R, C] for sumSplits.wgsl:
//   dWeight = sum of dOutput * (input - mean) * inverse;  dBias = sum of dOutput.  One thread a channel, rows upwards.
struct Params {
  rows: u32, channels: u32, rowsPerSplit: u32, replicas: u32,
  inputReplica: u32, meanReplica: u32, inverseReplica: u32, dOutputReplica: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read> dOutput: array<f32>;
@group(0) @binding(5) var<storage, read_write> dWeight: array<f32>;
@group(0) @binding(6) var<storage, read_write> dBias: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let split = id.y;
  let r = id.z;
  if (c >= p.channels) { return; }
  var sums = vec2f();
  for (var row = split * p.rowsPerSplit; row < min(p.rows, (split + 1u) * p.rowsPerSplit); row++) {
    let g = dOutput[r * p.dOutputReplica + row * p.channels + c];
    let n = (input[r * p.inputReplica + row * p.channels + c] - mean[r * p.meanReplica + row]) * inverse[r * p.inverseReplica + row];
    sums += vec2f(g * n, g);
  }
  let at = (split * p.replicas + r) * p.channels + c;
  dWeight[at] = sums.x;
  dBias[at] = sums.y;
}
