// Softmax cross-entropy for few classes (a multiple of 4, at most 32): one thread has a whole row in registers, so logits
// are read once and dLogits written once. Formula as in crossEntropy.wgsl. STAGED: rows pass through workgroup memory, so that
// neighbouring threads touch neighbouring memory; without it each thread of a warp uses a separate cache line, which costs
// two thirds of the bandwidth of an NVIDIA H200 but is faster for one small batch. QUADS = classes / 4.
#if STAGED
const ROW = QUADS + 1u; // a spare vec4 keeps the rows out of each other's banks
var<workgroup> tile: array<vec4f, THREADS * ROW>;
#end

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let r = wid.y;
  let baseIn = r * (p.logitsReplica / 4u);
  let baseOut = r * (p.dLogitsReplica / 4u);
  let whole = lossFactor(r) / f32(p.terms);
  var total = vec2f(0.0); // loss, correct rows
  for (var step = 0u; step < p.rowsPerGroup; step++) {
    let row0 = (wid.x * p.rowsPerGroup + step) * THREADS;
    let inside = row0 + tid < p.rows;
    let row = min(row0 + tid, p.rows - 1u);
#if STAGED
    for (var q = 0u; q < QUADS; q++) {
      let i = q * THREADS + tid;
      if (row0 + i / QUADS < p.rows) { tile[(i / QUADS) * ROW + i % QUADS] = logits[baseIn + row0 * QUADS + i]; }
    }
    workgroupBarrier();
#end
#for q < QUADS
#if STAGED
    var z{q} = tile[tid * ROW + {q}u];
#end
#if DIRECT
    var z{q} = logits[baseIn + row * QUADS + {q}u];
#end
    let top{q} = max(max(z{q}.x, z{q}.y), max(z{q}.z, z{q}.w));
#end
    var best = -3.4e38;
#for q < QUADS
    best = max(best, top{q});
#end
    var topQuad = QUADS - 1u; // the first that contains the largest logit
#for q < QUADS
    if (topQuad > {q}u && top{q} == best) { topQuad = {q}u; }
#end
    let t = targetOf(r, row);
    // Two quads are read again by their index: slower than a register, faster than testing every element.
#if STAGED
    let targetLogits = tile[tid * ROW + min(t / 4u, QUADS - 1u)];
    let topLogits = tile[tid * ROW + topQuad];
#end
#if DIRECT
    let targetLogits = logits[baseIn + row * QUADS + min(t / 4u, QUADS - 1u)];
    let topLogits = logits[baseIn + row * QUADS + topQuad];
#end
    let zt = targetLogits[t % 4u];
    let inTop = select(select(select(3u, 2u, topLogits.z == best), 1u, topLogits.y == best), 0u, topLogits.x == best);
    var sum = 0.0;
#for q < QUADS
    z{q} = exp(z{q} - best);
    sum += dot(z{q}, vec4f(1.0));
#end
    let share = shareOf(r, row);
    if (inside) { total += share * vec2f((best - zt) + log(sum), select(0.0, 1.0, topQuad * 4u + inTop == t)); }
    if (GRADIENT) {
      let scale = whole * share;
      let factor = scale / sum;
      let hit = select(vec4f(0.0), vec4f(scale), vec4u(0u, 1u, 2u, 3u) == vec4u(t % 4u));
#if STAGED
#for q < QUADS
      tile[tid * ROW + {q}u] = z{q} * factor;
#end
      tile[tid * ROW + min(t / 4u, QUADS - 1u)] -= hit;
      workgroupBarrier();
      for (var q = 0u; q < QUADS; q++) {
        let i = q * THREADS + tid;
        if (row0 + i / QUADS < p.rows) { dLogits[baseOut + row0 * QUADS + i] = tile[(i / QUADS) * ROW + i % QUADS]; }
      }
#end
#if DIRECT
      if (inside) {
#for q < QUADS
        dLogits[baseOut + row * QUADS + {q}u] = z{q} * factor - select(vec4f(0.0), hit, t / 4u == {q}u);
#end
      }
#end
    }
#if STAGED
    workgroupBarrier();
#end
  }
  finish(r, wid.x, tid, total);
}
