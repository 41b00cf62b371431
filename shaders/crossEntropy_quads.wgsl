// Softmax cross-entropy as in crossEntropy_rows.wgsl, with the same bits, for drivers that run shaders on the CPU: the quads
// of a row are in an array and are read in loops whose end lavapipe cannot see (opaque: src/gpu/unroll.ts). Eight unrolled
// quads take 2 s to compile there.
var<private> z: array<vec4f, 33>; // 8 are used: Mesa unrolls loops over arrays of up to 32

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let r = wid.y;
  let whole = lossFactor(r) / f32(p.terms);
  var total = vec2f(0.0); // loss, correct rows
  for (var step = 0u; step < p.rowsPerGroup; step++) {
    let row = (wid.x * p.rowsPerGroup + step) * THREADS + tid;
    if (row < p.rows) {
      let rowIn = r * (p.logitsReplica / 4u) + row * QUADS;
      let rowOut = r * (p.dLogitsReplica / 4u) + row * QUADS;
      let t = targetOf(r, row);
      var best = -3.4e38;
      var topQuad = QUADS - 1u; // the first that contains the largest logit
      for (var q = 0u; q < opaque(QUADS); q++) {
        let x = logits[rowIn + q];
        z[q] = x;
        let top = max(max(x.x, x.y), max(x.z, x.w));
        if (top > best) { topQuad = q; }
        best = max(best, top);
      }
      let zt = z[min(t / 4u, QUADS - 1u)][t % 4u];
      let topLogits = z[topQuad];
      let inTop = select(select(select(3u, 2u, topLogits.z == best), 1u, topLogits.y == best), 0u, topLogits.x == best);
      var sum = 0.0;
      for (var q = 0u; q < opaque(QUADS); q++) {
        let x = exp(z[q] - best);
        z[q] = x;
        sum += dot(x, vec4f(1.0));
      }
      let share = shareOf(r, row);
      total += share * vec2f((best - zt) + log(sum), select(0.0, 1.0, topQuad * 4u + inTop == t));
      if (GRADIENT) {
        let scale = whole * share;
        let factor = scale / sum;
        let hit = select(vec4f(0.0), vec4f(scale), vec4u(0u, 1u, 2u, 3u) == vec4u(t % 4u));
        for (var q = 0u; q < opaque(QUADS); q++) {
          dLogits[rowOut + q] = z[q] * factor - select(vec4f(0.0), hit, t / 4u == q);
        }
      }
    }
  }
  finish(r, wid.x, tid, total);
}
