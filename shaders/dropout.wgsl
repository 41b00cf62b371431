// Inverted dropout: output = input / (1 - p) where kept, else 0. Element i of a replica is kept when word i % 2 of
// threefry(layer key, (i / 2, 0)) is at least p 2^32; layer key = threefry(key, (step, layer)). The backward pass calls this
// again on the gradient: the same mask, nothing stored. threefry.wgsl precedes this text. One thread owns two elements.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let pairs = (p.elements + 1u) / 2u;
  let r = index / pairs;
  if (r >= p.replicas) { return; }
  let i = 2u * (index % pairs);
  let base = vec2u(keys[r * p.keysReplica], keys[r * p.keysReplica + 1u]);
  let layerKey = threefry(base, vec2u(clock[r * p.clockReplica + p.clockWord], p.layer));
  let words = threefry(layerKey, vec2u(i / 2u, 0u));
  let x = r * p.inputReplica + i;
  let y = r * p.outputReplica + i;
  output[y] = select(0.0, input[x] * p.factor, words.x >= p.threshold);
  if (i + 1u < p.elements) { output[y + 1u] = select(0.0, input[x + 1u] * p.factor, words.y >= p.threshold); }
}
