// Attention gradient for long sentences, queries: a workgroup owns TR queries of one head and walks over the keys they
// see; each thread owns a 4 x 4 block of dQ in every one of CHUNKS column ranges.  dQ = dS K
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = wid.x + wid.y * count.x;
  if (index >= p.replicas * p.batch * p.headGroups * p.tiles) { return; }
  let w = placeOf(index);
  let row0 = w.tile * TR;
  let quads = TK / 4u;
  let quad = tid % DC;
  let y = tid / DC;
  let keyEnd = select(p.tokens, min(p.tokens, p.queryFirst + row0 + TR), p.causal != 0u);
  var acc: array<vec4f, 4u * CHUNKS>;
  for (var key0 = 0u; key0 < keyEnd; key0 += TK) {
    scoreTile(w, row0, key0, tid);
    for (var c = 0u; c < opaque(CHUNKS); c++) {
      for (var i = tid; i < TK * DC; i += WG) {
        sK[inD(i / DC, i % DC)] = kept(qkvQuad(w, key0 + i / DC, 1u, w.head, c * DC + i % DC));
      }
      workgroupBarrier();
      if (y < TR / 4u) {
        var a0 = acc[4u * c]; var a1 = acc[4u * c + 1u]; var a2 = acc[4u * c + 2u]; var a3 = acc[4u * c + 3u];
        for (var x = 0u; x < opaque(quads); x++) {
          let at = inK(4u * y, x);
          let kAt = inD(4u * x, quad);
          let k4 = mat4x4f(wide(sK[kAt]), wide(sK[kAt + DC]), wide(sK[kAt + 2u * DC]), wide(sK[kAt + 3u * DC]));
          a0 = mulAdd(wide(sS[at]), k4, a0);
          a1 = mulAdd(wide(sS[at + quads]), k4, a1);
          a2 = mulAdd(wide(sS[at + 2u * quads]), k4, a2);
          a3 = mulAdd(wide(sS[at + 3u * quads]), k4, a3);
        }
        acc[4u * c] = a0; acc[4u * c + 1u] = a1; acc[4u * c + 2u] = a2; acc[4u * c + 3u] = a3;
      }
      workgroupBarrier();
    }
  }
  if (y < TR / 4u) {
    for (var c = 0u; c < opaque(CHUNKS); c++) {
      for (var i = 0u; i < 4u; i++) { putQuery(w, row0 + 4u * y + i, w.head, c * DC + quad, acc[4u * c + i]); }
    }
  }
  for (var i = tid; i < p.queryFirst * DC * CHUNKS; i += WG) {
    put(w, i / (DC * CHUNKS), 0u, w.head, i % (DC * CHUNKS), vec4f(0.0));
  }
}
