// Inverted dropout: output = input / (1 - p) where kept, else 0. Element i of a replica is kept when word i % 2 of
// threefry(layer key, (i / 2, 0)) is at least p 2^32; layer key = threefry(key, (step, layer)). The backward pass calls this
// again on the gradient: the same mask, nothing stored. threefry.wgsl stands before this. One thread owns two elements.
struct Params { elements: u32, replicas: u32, inputReplica: u32, outputReplica: u32, keyReplica: u32, clockReplica: u32, clockWord: u32, layer: u32, threshold: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> key: array<u32>;
@group(0) @binding(3) var<storage, read> clock: array<u32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let pairs = (p.elements + 1u) / 2u;
  let r = index / pairs;
  if (r >= p.replicas) { return; }
  let i = 2u * (index % pairs);
  let base = vec2u(key[r * p.keyReplica], key[r * p.keyReplica + 1u]);
  let layerKey = threefry(base, vec2u(clock[r * p.clockReplica + p.clockWord], p.layer));
  let words = threefry(layerKey, vec2u(i / 2u, 0u));
  let x = r * p.inputReplica + i;
  let y = r * p.outputReplica + i;
  output[y] = select(0.0, input[x] * p.scale, words.x >= p.threshold);
  if (i + 1u < p.elements) { output[y + 1u] = select(0.0, input[x + 1u] * p.scale, words.y >= p.threshold); }
}
