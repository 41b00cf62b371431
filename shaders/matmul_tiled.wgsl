// Batched matmul for GPUs. One workgroup owns a BM x BN tile of one C[r, g] (and one range of K), one thread TM x TN of it in
// registers: rows ty*4 + h*(BM/2 or so) in quads, so that neighbouring threads read neighbouring vec4s of workgroup memory.
// TM and TN are plain constants put in front of this text, since register arrays cannot be sized by an override.
override BM = 64u;
override BN = 64u;
override BK = 16u;
override WX = 8u; // threads along a row of the tile: BN / TN
override WY = 8u; // threads along a column: BM / TM
const QM = TM / 4u;
const QN = TN / 4u;

// k-major; one spare vec4 a row of A keeps transposing stores off one another's banks.
var<workgroup> tileA: array<vec4f, BK * (BM / 4u + 1u)>;
var<workgroup> tileB: array<vec4f, BK * (BN / 4u)>;

@compute @workgroup_size(WX * WY)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let batch = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batch / p.groups;
  let g = batch % p.groups;
  let baseA = p.aOffset + r * p.aReplica + g * p.aGroup;
  let baseB = p.bOffset + r * p.bReplica + g * p.bGroup;
  let row0 = wid.y * BM;
  let col0 = wid.x * BN;
  let tx = tid % WX;
  let ty = tid / WX;
  let kStart = split * p.kChunk;
  let kEnd = min(p.k, kStart + p.kChunk);
  let rowA = BM / 4u + 1u;
  let rowB = BN / 4u;

  var acc: array<vec4f, TM * QN>;
  for (var k0 = kStart; k0 < kEnd; k0 += BK) {
    for (var t = tid; t < (BM / 4u) * (BK / 4u); t += WX * WY) {
      // Neighbouring threads take neighbouring memory: along M where A is stored K x M, else along K.
      let q = select(vec2u(t / (BK / 4u), t % (BK / 4u)), vec2u(t % (BM / 4u), t / (BM / 4u)), A_T);
      let x = blockA(baseA, row0 + q.x * 4u, k0 + q.y * 4u, kEnd);
      for (var kk = 0u; kk < 4u; kk++) { tileA[(q.y * 4u + kk) * rowA + q.x] = x[kk]; }
    }
    for (var t = tid; t < (BN / 4u) * (BK / 4u); t += WX * WY) {
      let q = select(vec2u(t % (BN / 4u), t / (BN / 4u)), vec2u(t / (BK / 4u), t % (BK / 4u)), B_T);
      let x = blockB(baseB, k0 + q.y * 4u, col0 + q.x * 4u, kEnd);
      for (var kk = 0u; kk < 4u; kk++) { tileB[(q.y * 4u + kk) * rowB + q.x] = x[kk]; }
    }
    workgroupBarrier();
    for (var k = 0u; k < BK; k++) {
      var bs: array<vec4f, QN>;
      for (var h = 0u; h < QN; h++) { bs[h] = tileB[k * rowB + h * WX + tx]; }
      for (var h = 0u; h < QM; h++) {
        let x = tileA[k * rowA + h * WY + ty];
        for (var w = 0u; w < QN; w++) {
          acc[(h * 4u + 0u) * QN + w] = fma(vec4f(x.x), bs[w], acc[(h * 4u + 0u) * QN + w]);
          acc[(h * 4u + 1u) * QN + w] = fma(vec4f(x.y), bs[w], acc[(h * 4u + 1u) * QN + w]);
          acc[(h * 4u + 2u) * QN + w] = fma(vec4f(x.z), bs[w], acc[(h * 4u + 2u) * QN + w]);
          acc[(h * 4u + 3u) * QN + w] = fma(vec4f(x.w), bs[w], acc[(h * 4u + 3u) * QN + w]);
        }
      }
    }
    workgroupBarrier();
  }
  for (var h = 0u; h < QM; h++) {
    for (var ii = 0u; ii < 4u; ii++) {
      for (var w = 0u; w < QN; w++) {
        finishOrSplit(batch, split, row0 + (h * WY + ty) * 4u + ii, col0 + (w * WX + tx) * 4u, acc[(h * 4u + ii) * QN + w]);
      }
    }
  }
}
