// Shared by the cross-entropy kernels: parameters, bindings, and what becomes of a workgroup's sums.
// Value (f32, or four as vec4f) THREADS and opaque (src/gpu/unroll.ts) are put in front of this text.
override GRADIENT = true;

struct Params {
  rows: u32, classes: u32, rowsPerSentence: u32, targetRow: u32,
  targetOffset: u32, ring: u32, clockWord: u32, rowsPerGroup: u32,
  logitsReplica: u32, targetReplica: u32, clockReplica: u32, dLogitsReplica: u32,
  recordReplica: u32, blocks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<Value>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> clock: array<u32>;
@group(0) @binding(4) var<storage, read_write> dLogits: array<Value>;
@group(0) @binding(5) var<storage, read_write> record: array<f32>; // [R, ring, 2], or partial sums [R, blocks, 2]

var<workgroup> sums: array<vec2f, THREADS>;

fn targetOf(r: u32, row: u32) -> u32 {
  let sentence = row / p.rowsPerSentence;
  return targets[r * p.targetReplica + sentence * p.targetRow + p.targetOffset + row % p.rowsPerSentence];
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
    record[slot] = sums[0].x / f32(p.rows);
    record[slot + 1u] = sums[0].y / f32(p.rows);
  } else {
    record[(r * p.blocks + block) * 2u] = sums[0].x;
    record[(r * p.blocks + block) * 2u + 1u] = sums[0].y;
  }
}
