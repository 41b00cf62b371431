// Fused attention, forward: out and logsumexp of TR queries for NH heads per workgroup, in one pass over tiles of TK keys
// with a running maximum; a single tile when T <= TK. Thread (sy, sx) owns 4 x 4 scores; then each thread owns BLOCKS
// blocks of 4 rows x 4 columns of the output in every one of CHUNKS column ranges (constants that precede this text).
// With HALF the weights exp(S - m') are rounded for the product with v; their sum l uses the unrounded ones.
//   m' = max(m, max_k S);  P = exp(S - m');  out = out exp(m - m') + P v;  l likewise;  at the end out / l, m + log l
override KP = 256u; // vec4s: the larger of a K tile and a P tile, NH heads

var<workgroup> sQ: array<Kept, NH * TR * DC>;
var<workgroup> sKP: array<Kept, KP>; // K, then P
var<workgroup> sV: array<Kept, NH * TK * DC>;
var<workgroup> sMax: array<vec4f, NH * (TR / 4u) * (TK / 4u)>;
var<workgroup> sSum: array<vec4f, NH * (TR / 4u) * (TK / 4u)>; // P over 4 keys, of 4 rows
var<workgroup> sFactor: array<vec4f, NH * (TR / 4u)>; // exp(m - m') of 4 rows
var<workgroup> sTop: array<vec4f, NH * (TR / 4u)>; // m' of 4 rows

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = wid.x + wid.y * count.x;
  if (index >= p.replicas * p.batch * p.headGroups * p.tiles) { return; }
  let w = placeOf(index);
  let row0 = w.tile * TR;
  let quads = TK / 4u;
  let sHead = tid / (TR / 4u * quads);
  let sy = (tid / quads) % (TR / 4u);
  let sx = tid % quads;
  let scoring = sHead < NH;
  let keyEnd = select(p.tokens, min(p.tokens, p.queryFirst + row0 + TR), p.causal != 0u);

  var acc: array<vec4f, 4u * BLOCKS * CHUNKS>;
  var sum: array<vec4f, BLOCKS>; // l of the block's 4 rows
  var top = vec4f(NEVER); // m of the 4 scored rows
  for (var key0 = 0u; key0 < keyEnd; key0 += TK) {
    var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
    for (var c = 0u; c < opaque(CHUNKS); c++) {
      if (CHUNKS > 1u || key0 == 0u) {
        for (var i = tid; i < NH * TR * DC; i += WG) {
          let head = (i / DC) % NH;
          let row = i / (DC * NH);
          let token = select(p.tokens, p.queryFirst + row0 + row, row0 + row < p.queries);
          sQ[head * TR * DC + inD(row, i % DC)] = kept(qkvQuad(w, token, 0u, w.head + head, c * DC + i % DC));
        }
      }
      for (var i = tid; i < NH * TK * DC; i += WG) {
        let head = (i / DC) % NH;
        let row = i / (DC * NH);
        let at = head * TK * DC + inD(row, i % DC);
        sKP[at] = kept(qkvQuad(w, key0 + row, 1u, w.head + head, c * DC + i % DC));
        if (CHUNKS == 1u) { sV[at] = kept(qkvQuad(w, key0 + row, 2u, w.head + head, i % DC)); }
      }
      workgroupBarrier();
      if (scoring) {
        for (var d = 0u; d < opaque(DC); d++) {
          let k = sHead * TK * DC + inD(4u * sx, d); // the 4 rows of a block share their shift
          let q = sHead * TR * DC + inD(4u * sy, d);
          let kt = transpose(mat4x4f(wide(sKP[k]), wide(sKP[k + DC]), wide(sKP[k + 2u * DC]), wide(sKP[k + 3u * DC])));
          s0 = mulAdd(wide(sQ[q]), kt, s0);
          s1 = mulAdd(wide(sQ[q + DC]), kt, s1);
          s2 = mulAdd(wide(sQ[q + 2u * DC]), kt, s2);
          s3 = mulAdd(wide(sQ[q + 3u * DC]), kt, s3);
        }
      }
      if (CHUNKS > 1u) { workgroupBarrier(); }
    }
    let row = row0 + 4u * sy;
    let key = key0 + 4u * sx;
    let v0 = visible(row, key); let v1 = visible(row + 1u, key);
    let v2 = visible(row + 2u, key); let v3 = visible(row + 3u, key);
    s0 = select(vec4f(NEVER), s0 * p.scale, v0); s1 = select(vec4f(NEVER), s1 * p.scale, v1);
    s2 = select(vec4f(NEVER), s2 * p.scale, v2); s3 = select(vec4f(NEVER), s3 * p.scale, v3);
    if (scoring) { sMax[tid] = vec4f(largest(s0), largest(s1), largest(s2), largest(s3)); }
    workgroupBarrier();
    if (scoring) {
      var next = top;
      for (var x = 0u; x < opaque(quads); x++) { next = max(next, sMax[tid - sx + x]); }
      let at = sHead * TR * quads + inK(4u * sy, sx);
      let p0 = select(vec4f(0.0), exp(s0 - next.x), v0);
      let p1 = select(vec4f(0.0), exp(s1 - next.y), v1);
      let p2 = select(vec4f(0.0), exp(s2 - next.z), v2);
      let p3 = select(vec4f(0.0), exp(s3 - next.w), v3);
      let pt = transpose(mat4x4f(p0, p1, p2, p3));
      sSum[tid] = pt[0] + pt[1] + pt[2] + pt[3];
      sKP[at] = kept(rounded(p0, w.r));
      sKP[at + quads] = kept(rounded(p1, w.r));
      sKP[at + 2u * quads] = kept(rounded(p2, w.r));
      sKP[at + 3u * quads] = kept(rounded(p3, w.r));
      if (sx == 0u) {
        sFactor[sHead * (TR / 4u) + sy] = exp(top - next);
        sTop[sHead * (TR / 4u) + sy] = next;
      }
      top = next;
    }
    workgroupBarrier();
    for (var c = 0u; c < opaque(CHUNKS); c++) {
      if (CHUNKS > 1u) {
        for (var i = tid; i < NH * TK * DC; i += WG) {
          let head = (i / DC) % NH;
          let row = i / (DC * NH);
          sV[head * TK * DC + inD(row, i % DC)] = kept(qkvQuad(w, key0 + row, 2u, w.head + head, c * DC + i % DC));
        }
        workgroupBarrier();
      }
      for (var n = 0u; n < opaque(BLOCKS); n++) {
        let block = tid + n * WG;
        let quad = block % DC;
        let y = (block / DC) % (TR / 4u);
        let head = block / (DC * (TR / 4u));
        if (head < NH) {
          let at = 4u * (c * BLOCKS + n);
          let factor = sFactor[head * (TR / 4u) + y];
          var a0 = acc[at] * factor.x; var a1 = acc[at + 1u] * factor.y;
          var a2 = acc[at + 2u] * factor.z; var a3 = acc[at + 3u] * factor.w;
          var l = vec4f();
          for (var x = 0u; x < opaque(quads); x++) {
            let pAt = head * TR * quads + inK(4u * y, x);
            let w4 = mat4x4f(wide(sKP[pAt]), wide(sKP[pAt + quads]), wide(sKP[pAt + 2u * quads]), wide(sKP[pAt + 3u * quads]));
            let vAt = head * TK * DC + inD(4u * x, quad);
            let v4 = mat4x4f(wide(sV[vAt]), wide(sV[vAt + DC]), wide(sV[vAt + 2u * DC]), wide(sV[vAt + 3u * DC]));
            a0 = mulAdd(w4[0], v4, a0);
            a1 = mulAdd(w4[1], v4, a1);
            a2 = mulAdd(w4[2], v4, a2);
            a3 = mulAdd(w4[3], v4, a3);
            l += sSum[(head * (TR / 4u) + y) * quads + x];
          }
          acc[at] = a0; acc[at + 1u] = a1; acc[at + 2u] = a2; acc[at + 3u] = a3;
          if (c == 0u) { sum[n] = sum[n] * factor + l; }
        }
      }
      workgroupBarrier();
    }
  }
  for (var n = 0u; n < opaque(BLOCKS); n++) {
    let block = tid + n * WG;
    let quad = block % DC;
    let y = (block / DC) % (TR / 4u);
    let slot = block / (DC * (TR / 4u));
    let head = w.head + slot;
    if (slot >= NH || head >= p.heads) { continue; }
    for (var i = 0u; i < 4u; i++) {
      let row = row0 + 4u * y + i;
      if (row >= p.queries) { break; }
      for (var c = 0u; c < opaque(CHUNKS); c++) {
        let valid = columnsLeft(true, head, c * DC + quad);
        if (valid > 0u) { storeResult(outIndex(w, row, head, c * DC + quad), valid, acc[4u * (c * BLOCKS + n) + i] / sum[n][i]); }
      }
      if (quad == 0u) {
        logsumexp[w.r * p.logsumexpReplica + rowIndex(w, row, head)] = sTop[slot * (TR / 4u) + y][i] + log(sum[n][i]);
      }
    }
  }
}

fn largest(x: vec4f) -> f32 { return max(max(x.x, x.y), max(x.z, x.w)); }
