// Global gradient norm clipping: block = block * min(1, maxNorm / sqrt(sums[r, 1])) for every replica r, in place. A sum that
// is infinite or NaN leaves the block unchanged (see reduce's count). One thread per element. SCALED: the block contains the
// loss factor, pace its inverse.
override SCALED = false;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let r = index / p.elements;
  if (r >= p.replicas) { return; }
  let squares = sums[r * p.sumsReplica + 1u];
  let finite = (bitcast<u32>(squares) & 0x7f800000u) != 0x7f800000u;
  var norm = sqrt(squares);
  if (SCALED) { norm *= pace[r * PACE_WORDS + PACE_UNSCALE]; }
  if (finite && norm > p.maxNorm) {
    let at = r * p.blockReplica + index % p.elements;
    block[at] = block[at] * (p.maxNorm / norm);
  }
}
