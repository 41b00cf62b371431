// Shared by the cross-entropy kernels: parameters, bindings, and the handling of a workgroup's sums.
// Value (f32, or four as vec4f) THREADS and opaque (src/gpu/unroll.ts) are defined before this text.
override GRADIENT = true;
override SCALED = false; // dLogits is multiplied by the replica's factor 2^(exponent - 127)
override COUNTED = false; // a row has weight 1 / counts in its sentence, or 0 if counts is 0

var<workgroup> sums: array<vec2f, THREADS>;

fn targetOf(r: u32, row: u32) -> u32 {
  let sentence = row / p.rowsPerSentence;
  return targets[r * p.targetsReplica + sentence * p.targetRow + p.targetOffset + row % p.rowsPerSentence];
}

fn lossFactor(r: u32) -> f32 {
  if (SCALED) { return bitcast<f32>(scaling[r * SCALING_WORDS + SCALING_EXPONENT] << 23u); }
  return 1.0;
}

// Weight of a row among the terms of the mean.
fn shareOf(r: u32, row: u32) -> f32 {
  if (!COUNTED) { return 1.0; }
  let n = counts[r * p.countsReplica + row];
  return select(0.0, 1.0 / f32(max(n, 1u)), n > 0u);
}

// Adds (loss, correct rows) of the workgroup's threads by halves. The means go to `record` if it is the only workgroup, else
// the sums to partial sums that crossEntropyRecord.wgsl adds in order.
fn finish(r: u32, block: u32, tid: u32, total: vec2f) {
  sums[tid] = total;
  for (var s = opaque(THREADS / 2u); s > 0u; s /= 2u) {
    workgroupBarrier();
    if (tid < s) { sums[tid] += sums[tid + s]; }
  }
  if (tid != 0u) { return; }
  if (p.blocks == 1u) {
    let slot = r * p.recordReplica + (clock[r * p.clockReplica + p.clockWord] % p.ring) * 2u;
    record[slot] = sums[0].x / f32(p.terms);
    record[slot + 1u] = sums[0].y / f32(p.terms);
  } else {
    record[(r * p.blocks + block) * 2u] = sums[0].x;
    record[(r * p.blocks + block) * 2u + 1u] = sums[0].y;
  }
}
