// output[r, b, c] = mean over positions t of input[r, b, t, c]. One thread owns one (b, c).
struct Params { batch: u32, positions: u32, channels: u32, inputReplica: u32, outputReplica: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

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
