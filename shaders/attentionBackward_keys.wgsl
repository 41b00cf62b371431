// Attention gradient for long sentences, keys and values: a workgroup owns TK keys of one head and walks over the queries
// that see them. The first half of the threads owns 4 x 4 blocks of dV, the second half of dK, in CHUNKS column ranges.
//   dV = P^T dOut;  dK = dS^T Q
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = wid.x + wid.y * count.x;
  if (index >= p.replicas * p.batch * p.headGroups * p.tiles) { return; }
  let w = placeOf(index);
  let key0 = w.tile * TK;
  let quads = TK / 4u;
  let keys = tid >= WG / 2u;
  let block = tid % (WG / 2u);
  let quad = block % DC;
  let y = block / DC;
  let first = select(0u, key0 / TR * TR, p.causal != 0u && p.queryFirst == 0u);
  var acc: array<vec4f, 4u * CHUNKS>;
  for (var row0 = first; row0 < p.queries; row0 += TR) {
    scoreTile(w, row0, key0, tid);
    for (var c = 0u; c < opaque(CHUNKS); c++) {
      loadQueries(w, row0, c, tid);
      workgroupBarrier();
      if (y < quads) {
        var a0 = acc[4u * c]; var a1 = acc[4u * c + 1u]; var a2 = acc[4u * c + 2u]; var a3 = acc[4u * c + 3u];
        for (var q = 0u; q < opaque(TR); q++) {
          let weight = select(wide(sP[inK(q, y)]), wide(sS[inK(q, y)]), keys);
          let x = select(wide(sO[inD(q, quad)]), wide(sQ[inD(q, quad)]), keys);
          a0 = fma(vec4f(weight.x), x, a0);
          a1 = fma(vec4f(weight.y), x, a1);
          a2 = fma(vec4f(weight.z), x, a2);
          a3 = fma(vec4f(weight.w), x, a3);
        }
        acc[4u * c] = a0; acc[4u * c + 1u] = a1; acc[4u * c + 2u] = a2; acc[4u * c + 3u] = a3;
      }
      workgroupBarrier();
    }
  }
  if (y >= quads) { return; }
  for (var c = 0u; c < opaque(CHUNKS); c++) {
    for (var i = 0u; i < 4u; i++) {
      put(w, key0 + 4u * y + i, select(2u, 1u, keys), w.head, c * DC + quad, acc[4u * c + i]);
    }
  }
}
