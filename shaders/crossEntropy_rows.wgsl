// Softmax cross-entropy for few classes (a multiple of 4, at most 32): one thread keeps a whole row in registers, so logits
// are read once and dLogits written once. Formula, bindings and sums as in crossEntropy.wgsl.
// QUADS = classes / 4 is a plain constant put in front of this text: register arrays cannot be sized by an override.
override GRADIENT = true;

struct Params {
  rows: u32, classes: u32, rowsPerSentence: u32, targetRow: u32,
  targetOffset: u32, ring: u32, clockWord: u32, rowsPerGroup: u32,
  logitsReplica: u32, targetReplica: u32, clockReplica: u32, dLogitsReplica: u32,
  recordReplica: u32, blocks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read> clock: array<u32>;
@group(0) @binding(4) var<storage, read_write> dLogits: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> record: array<f32>; // [R, ring, 2], or partial sums [R, blocks, 2]

const THREADS = 256u;
var<workgroup> sums: array<vec2f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let r = wid.y;
  var total = vec2f(0.0); // loss, correct rows
  for (var step = 0u; step < p.rowsPerGroup; step++) {
    let row = (wid.x * p.rowsPerGroup + step) * THREADS + tid;
    if (row < p.rows) {
      let base = r * (p.logitsReplica / 4u) + row * QUADS;
      var z: array<vec4f, QUADS>;
      var best = -3.4e38;
      for (var q = 0u; q < QUADS; q++) {
        z[q] = logits[base + q];
        best = max(best, max(max(z[q].x, z[q].y), max(z[q].z, z[q].w)));
      }
      let sentence = row / p.rowsPerSentence;
      let t = targets[r * p.targetReplica + sentence * p.targetRow + p.targetOffset + row % p.rowsPerSentence];
      var sum = 0.0;
      var zt = 0.0;
      var first = 4u * QUADS; // the first largest logit
      for (var q = QUADS; q > 0u; q--) {
        let i = vec4u(0u, 1u, 2u, 3u) + 4u * (q - 1u);
        let x = z[q - 1u];
        if (x.w == best) { first = i.w; }
        if (x.z == best) { first = i.z; }
        if (x.y == best) { first = i.y; }
        if (x.x == best) { first = i.x; }
        zt += dot(select(vec4f(0.0), x, i == vec4u(t)), vec4f(1.0));
        z[q - 1u] = exp(x - best);
      }
      for (var q = 0u; q < QUADS; q++) { sum += dot(z[q], vec4f(1.0)); }
      total += vec2f((best - zt) + log(sum), select(0.0, 1.0, first == t));
      if (GRADIENT) {
        let scale = 1.0 / f32(p.rows);
        let out = r * (p.dLogitsReplica / 4u) + row * QUADS;
        for (var q = 0u; q < QUADS; q++) {
          let i = vec4u(0u, 1u, 2u, 3u) + 4u * q;
          dLogits[out + q] = (z[q] / sum - select(vec4f(0.0), vec4f(1.0), i == vec4u(t))) * scale;
        }
      }
    }
  }
  sums[tid] = total;
  for (var s = THREADS / 2u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (tid < s) { sums[tid] += sums[tid + s]; }
  }
  if (tid == 0u) {
    if (p.blocks == 1u) {
      let slot = r * p.recordReplica + (clock[r * p.clockReplica + p.clockWord] % p.ring) * 2u;
      record[slot] = sums[0].x / f32(p.rows);
      record[slot + 1u] = sums[0].y / f32(p.rows);
    } else {
      record[(r * p.blocks + wid.x) * 2u] = sums[0].x;
      record[(r * p.blocks + wid.x) * 2u + 1u] = sums[0].y;
    }
  }
}
