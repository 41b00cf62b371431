// Fused attention, backward, for queries and keys that all fit in one tile: all data of NH heads is in workgroup memory at
// once and dQkv is written in one dispatch. Thread (sy, sx) owns 4 x 4 scores; then each thread owns 4 x 4 blocks of dV, dK
// and dQ.
//   P = exp(S - logsumexp);  dV = P^T dOut;  dP = dOut V^T;  dS = scale P (dP - sum_k P dP / sum_k P);  dQ = dS K;  dK = dS^T Q
// Overwrites all of dQkv; with the last query only, dQ of the other positions is zero. Sums over queries are unrolled by
// four, with their number hidden from the compiler: an H200 takes 335 us instead of 392 (T 32, heads of 16) and 533 instead
// of 608 (heads of 32) for 1024 sentences of 16 heads.
override VP = 256u; // vec4s: the larger of a V tile and a P tile, NH heads
override OS = 256u; // vec4s: the larger of a dOut tile and a dS tile, NH heads

var<workgroup> sQ: array<Kept, NH * TR * DC>;
var<workgroup> sK: array<Kept, NH * TK * DC>;
var<workgroup> sVP: array<Kept, VP>; // V, then sums of P dP and of P, then P
var<workgroup> sOS: array<Kept, OS>; // dOut, then dS

// Four sums in f32, in place of a quad of P or, if quads are halves, of two.
fn keepSum(slot: u32, x: vec4f) {
#if PACKED
  sVP[2u * slot] = bitcast<vec4<f16>>(x.xy);
  sVP[2u * slot + 1u] = bitcast<vec4<f16>>(x.zw);
#end
#if UNPACKED
  sVP[slot] = x;
#end
}
fn keptSum(slot: u32) -> vec4f {
#if PACKED
  return vec4f(bitcast<vec2f>(sVP[2u * slot]), bitcast<vec2f>(sVP[2u * slot + 1u]));
#end
#if UNPACKED
  return sVP[slot];
#end
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = wid.x + wid.y * count.x;
  if (index >= p.replicas * p.batch * p.headGroups) { return; }
  let w = placeOf(index);
  let quads = TK / 4u;
  let sHead = tid / (TR / 4u * quads);
  let sy = (tid / quads) % (TR / 4u);
  let sx = tid % quads;
  let scoring = sHead < NH;
  let scores = NH * TR / 4u * quads; // threads that compute scores

  for (var i = tid; i < NH * TK * DC; i += WG) {
    let head = (i / DC) % NH;
    let row = i / (DC * NH);
    let at = head * TK * DC + inD(row, i % DC);
    sK[at] = kept(qkvQuad(w, row, 1u, w.head + head, i % DC));
    sVP[at] = kept(qkvQuad(w, row, 2u, w.head + head, i % DC));
  }
  for (var i = tid; i < NH * TR * DC; i += WG) {
    let head = (i / DC) % NH;
    let row = i / (DC * NH);
    let at = head * TR * DC + inD(row, i % DC);
    let exists = row < p.queries;
    sQ[at] = kept(qkvQuad(w, select(p.tokens, p.queryFirst + row, exists), 0u, w.head + head, i % DC));
    sOS[at] = kept(loadDOut(outIndex(w, row, w.head + head, i % DC), columnsLeft(exists, w.head + head, i % DC)));
  }
  workgroupBarrier();

  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f(); // S, then P, of 4 queries x 4 keys
  var g0 = vec4f(); var g1 = vec4f(); var g2 = vec4f(); var g3 = vec4f(); // dP, then dS
  let row = 4u * sy;
  if (scoring) {
    for (var d = 0u; d < opaque(DC); d++) {
      let k = sHead * TK * DC + inD(4u * sx, d);
      let q = sHead * TR * DC + inD(row, d);
      let kt = transpose(mat4x4f(wide(sK[k]), wide(sK[k + DC]), wide(sK[k + 2u * DC]), wide(sK[k + 3u * DC])));
      let vt = transpose(mat4x4f(wide(sVP[k]), wide(sVP[k + DC]), wide(sVP[k + 2u * DC]), wide(sVP[k + 3u * DC])));
      s0 = mulAdd(wide(sQ[q]), kt, s0);
      s1 = mulAdd(wide(sQ[q + DC]), kt, s1);
      s2 = mulAdd(wide(sQ[q + 2u * DC]), kt, s2);
      s3 = mulAdd(wide(sQ[q + 3u * DC]), kt, s3);
      g0 = mulAdd(wide(sOS[q]), vt, g0);
      g1 = mulAdd(wide(sOS[q + DC]), vt, g1);
      g2 = mulAdd(wide(sOS[q + 2u * DC]), vt, g2);
      g3 = mulAdd(wide(sOS[q + 3u * DC]), vt, g3);
    }
    s0 = probability(w, row, sHead, 4u * sx, s0);
    s1 = probability(w, row + 1u, sHead, 4u * sx, s1);
    s2 = probability(w, row + 2u, sHead, 4u * sx, s2);
    s3 = probability(w, row + 3u, sHead, 4u * sx, s3);
  }
  workgroupBarrier();
  if (scoring) {
    let one = vec4f(1.0);
    keepSum(tid, vec4f(dot(s0, g0), dot(s1, g1), dot(s2, g2), dot(s3, g3)));
    keepSum(scores + tid, vec4f(dot(s0, one), dot(s1, one), dot(s2, one), dot(s3, one)));
  }
  workgroupBarrier();
  if (scoring) {
    // P sums to 1 only as accurately as logsumexp is rounded, half an ulp of 1e4 for large scores: after division by its sum,
    // the error of delta cancels in dP - delta.
    var delta = vec4f();
    var total = vec4f();
    for (var x = 0u; x < opaque(quads); x++) {
      delta += keptSum(tid - sx + x);
      total += keptSum(scores + tid - sx + x);
    }
    delta = delta / max(total, vec4f(1e-30)); // rows that do not exist have no sum
    g0 = s0 * (g0 - delta.x) * p.scale;
    g1 = s1 * (g1 - delta.y) * p.scale;
    g2 = s2 * (g2 - delta.z) * p.scale;
    g3 = s3 * (g3 - delta.w) * p.scale;
  }
  workgroupBarrier();
  let tile = sHead * TR * quads + inK(row, sx);
  if (scoring) {
    sVP[tile] = kept(rounded(s0, w.r));
    sVP[tile + quads] = kept(rounded(s1, w.r));
    sVP[tile + 2u * quads] = kept(rounded(s2, w.r));
    sVP[tile + 3u * quads] = kept(rounded(s3, w.r));
  }
  workgroupBarrier();
  for (var block = tid; block < NH * quads * DC; block += WG) {
    let quad = block % DC;
    let y = (block / DC) % quads;
    let head = block / (DC * quads);
    var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
    for (var four = 0u; four < TR + p.zero; four += 4u) {
      for (var i = 0u; i < 4u; i++) {
        let q = four + i;
        let weight = wide(sVP[head * TR * quads + inK(q, y)]);
        let o = wide(sOS[head * TR * DC + inD(q, quad)]);
        a0 = fma(vec4f(weight.x), o, a0);
        a1 = fma(vec4f(weight.y), o, a1);
        a2 = fma(vec4f(weight.z), o, a2);
        a3 = fma(vec4f(weight.w), o, a3);
      }
    }
    put(w, 4u * y, 2u, w.head + head, quad, a0);
    put(w, 4u * y + 1u, 2u, w.head + head, quad, a1);
    put(w, 4u * y + 2u, 2u, w.head + head, quad, a2);
    put(w, 4u * y + 3u, 2u, w.head + head, quad, a3);
  }
  workgroupBarrier();
  if (scoring) {
    sOS[tile] = kept(rounded(g0, w.r));
    sOS[tile + quads] = kept(rounded(g1, w.r));
    sOS[tile + 2u * quads] = kept(rounded(g2, w.r));
    sOS[tile + 3u * quads] = kept(rounded(g3, w.r));
  }
  workgroupBarrier();
  for (var block = tid; block < NH * quads * DC; block += WG) {
    let quad = block % DC;
    let y = (block / DC) % quads;
    let head = block / (DC * quads);
    var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
    for (var four = 0u; four < TR + p.zero; four += 4u) {
      for (var i = 0u; i < 4u; i++) {
        let q = four + i;
        let weight = wide(sOS[head * TR * quads + inK(q, y)]);
        let x = wide(sQ[head * TR * DC + inD(q, quad)]);
        a0 = fma(vec4f(weight.x), x, a0);
        a1 = fma(vec4f(weight.y), x, a1);
        a2 = fma(vec4f(weight.z), x, a2);
        a3 = fma(vec4f(weight.w), x, a3);
      }
    }
    put(w, 4u * y, 1u, w.head + head, quad, a0);
    put(w, 4u * y + 1u, 1u, w.head + head, quad, a1);
    put(w, 4u * y + 2u, 1u, w.head + head, quad, a2);
    put(w, 4u * y + 3u, 1u, w.head + head, quad, a3);
  }
  for (var block = tid; block < NH * (TR / 4u) * DC; block += WG) {
    let quad = block % DC;
    let y = (block / DC) % (TR / 4u);
    let head = block / (DC * (TR / 4u));
    var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
    for (var x = 0u; x < opaque(quads); x++) {
      let at = head * TR * quads + inK(4u * y, x);
      let kAt = head * TK * DC + inD(4u * x, quad);
      let k4 = mat4x4f(wide(sK[kAt]), wide(sK[kAt + DC]), wide(sK[kAt + 2u * DC]), wide(sK[kAt + 3u * DC]));
      a0 = mulAdd(wide(sOS[at]), k4, a0);
      a1 = mulAdd(wide(sOS[at + quads]), k4, a1);
      a2 = mulAdd(wide(sOS[at + 2u * quads]), k4, a2);
      a3 = mulAdd(wide(sOS[at + 3u * quads]), k4, a3);
    }
    putQuery(w, 4u * y, w.head + head, quad, a0);
    putQuery(w, 4u * y + 1u, w.head + head, quad, a1);
    putQuery(w, 4u * y + 2u, w.head + head, quad, a2);
    putQuery(w, 4u * y + 3u, w.head + head, quad, a3);
  }
  for (var i = tid; i < NH * p.queryFirst * DC; i += WG) {
    put(w, i / (DC * NH), 0u, w.head + (i / DC) % NH, i % DC, vec4f(0.0));
  }
}
