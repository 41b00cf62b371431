// Uniform numbers: element i of a replica is word i % 2 of threefry(key, (i / 2, stream)), as u32, or with FLOAT as its upper
// 24 bits / 2^24 in [0, 1). threefry.wgsl precedes this text. One thread owns two elements.
override FLOAT = false;

fn element(word: u32) -> u32 {
  if (FLOAT) { return bitcast<u32>(f32(word >> 8u) * 0x1p-24f); }
  return word;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let pairs = (p.elements + 1u) / 2u;
  let r = index / pairs;
  if (r >= p.replicas) { return; }
  let i = 2u * (index % pairs);
  let words = threefry(vec2u(keys[r * p.keysReplica], keys[r * p.keysReplica + 1u]), vec2u(i / 2u, p.stream));
  let at = r * p.outputReplica + i;
  output[at] = element(words.x);
  if (i + 1u < p.elements) { output[at + 1u] = element(words.y); }
}
