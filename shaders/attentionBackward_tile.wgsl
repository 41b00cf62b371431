// Shared by the long attention gradients: P and dS of one tile of TR queries x TK keys of one head (NH = 1), written to
// workgroup memory. Scores are summed over CHUNKS ranges of DC vec4s; delta [B, H, Tq] = sum of dOut * out.

var<workgroup> sQ: array<Kept, TR * DC>;
var<workgroup> sO: array<Kept, TR * DC>;
var<workgroup> sK: array<Kept, TK * DC>;
var<workgroup> sV: array<Kept, TK * DC>;
var<workgroup> sP: array<Kept, TR * TK / 4u>;
var<workgroup> sS: array<Kept, TR * TK / 4u>;

fn loadQueries(w: Place, row0: u32, c: u32, tid: u32) {
  for (var i = tid; i < TR * DC; i += WG) {
    let row = row0 + i / DC;
    let quad = c * DC + i % DC;
    let exists = row < p.queries;
    sQ[inD(i / DC, i % DC)] = kept(qkvQuad(w, select(p.tokens, p.queryFirst + row, exists), 0u, w.head, quad));
    sO[inD(i / DC, i % DC)] = kept(loadDOut(outIndex(w, row, w.head, quad), columnsLeft(exists, w.head, quad)));
  }
}

fn deltaOf(w: Place, row: u32) -> f32 {
  if (row >= p.queries) { return 0.0; }
  return delta[w.r * p.deltaReplica + rowIndex(w, row, w.head)];
}

// Ends with a barrier: sP and sS are ready, sQ, sO, sK and sV free.
fn scoreTile(w: Place, row0: u32, key0: u32, tid: u32) {
  let quads = TK / 4u;
  let sy = tid / quads;
  let sx = tid % quads;
  let scoring = sy < TR / 4u;
  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
  var g0 = vec4f(); var g1 = vec4f(); var g2 = vec4f(); var g3 = vec4f();
  for (var c = 0u; c < opaque(CHUNKS); c++) {
    loadQueries(w, row0, c, tid);
    for (var i = tid; i < TK * DC; i += WG) {
      sK[inD(i / DC, i % DC)] = kept(qkvQuad(w, key0 + i / DC, 1u, w.head, c * DC + i % DC));
      sV[inD(i / DC, i % DC)] = kept(qkvQuad(w, key0 + i / DC, 2u, w.head, c * DC + i % DC));
    }
    workgroupBarrier();
    if (scoring) {
      for (var d = 0u; d < opaque(DC); d++) {
        let k = inD(4u * sx, d);
        let q = inD(4u * sy, d);
        let kt = transpose(mat4x4f(wide(sK[k]), wide(sK[k + DC]), wide(sK[k + 2u * DC]), wide(sK[k + 3u * DC])));
        let vt = transpose(mat4x4f(wide(sV[k]), wide(sV[k + DC]), wide(sV[k + 2u * DC]), wide(sV[k + 3u * DC])));
        s0 = mulAdd(wide(sQ[q]), kt, s0);
        s1 = mulAdd(wide(sQ[q + DC]), kt, s1);
        s2 = mulAdd(wide(sQ[q + 2u * DC]), kt, s2);
        s3 = mulAdd(wide(sQ[q + 3u * DC]), kt, s3);
        g0 = mulAdd(wide(sO[q]), vt, g0);
        g1 = mulAdd(wide(sO[q + DC]), vt, g1);
        g2 = mulAdd(wide(sO[q + 2u * DC]), vt, g2);
        g3 = mulAdd(wide(sO[q + 3u * DC]), vt, g3);
      }
    }
    workgroupBarrier();
  }
  if (scoring) {
    let row = row0 + 4u * sy;
    let key = key0 + 4u * sx;
    let at = inK(4u * sy, sx);
    s0 = probability(w, row, 0u, key, s0);
    s1 = probability(w, row + 1u, 0u, key, s1);
    s2 = probability(w, row + 2u, 0u, key, s2);
    s3 = probability(w, row + 3u, 0u, key, s3);
    sP[at] = kept(rounded(s0, w.r));
    sP[at + quads] = kept(rounded(s1, w.r));
    sP[at + 2u * quads] = kept(rounded(s2, w.r));
    sP[at + 3u * quads] = kept(rounded(s3, w.r));
    sS[at] = kept(rounded(s0 * (g0 - deltaOf(w, row)) * p.scale, w.r));
    sS[at + quads] = kept(rounded(s1 * (g1 - deltaOf(w, row + 1u)) * p.scale, w.r));
    sS[at + 2u * quads] = kept(rounded(s2 * (g2 - deltaOf(w, row + 2u)) * p.scale, w.r));
    sS[at + 3u * quads] = kept(rounded(s3 * (g3 - deltaOf(w, row + 3u)) * p.scale, w.r));
  }
  workgroupBarrier();
}
