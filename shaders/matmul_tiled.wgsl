// Batched matmul for GPUs. One workgroup owns a BM x BN tile of one C[r, g] (and one split of K). Its KG thread groups share
// out that split's K in contiguous ranges, so that small products still fill the machine; their sums meet in workgroup
// memory at the end, in order. One thread holds TM x TN sums: quads of rows and of columns WY and WX quads apart, so that
// neighbouring threads read neighbouring vec4s. The next tile is fetched into registers while the current one is used.
// TM, TN, FETCH and STAGES are plain constants put in front of this text, since register arrays cannot be sized by an
// override: FETCH = 4 x 4 blocks a thread loads for a tile; STAGES = tile buffers (2: one barrier a tile instead of two).
override BM = 64u;
override BN = 64u;
override BK = 16u;
override WX = 8u; // threads along a row of the tile: BN / TN
override WY = 8u; // threads along a column: BM / TM
override KG = 1u;
const QM = TM / 4u;
const QN = TN / 4u;

// k-major; one spare vec4 a row of A keeps transposing stores off one another's banks.
var<workgroup> tileA: array<vec4f, STAGES * KG * BK * (BM / 4u + 1u)>;
var<workgroup> tileB: array<vec4f, STAGES * KG * BK * (BN / 4u)>;

@compute @workgroup_size(WX * WY * KG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lid: u32) {
  let batch = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batch / p.groups;
  let g = batch % p.groups;
  let baseA = p.aOffset + r * p.aReplica + g * p.aGroup;
  let baseB = p.bOffset + r * p.bReplica + g * p.bGroup;
  let row0 = wid.y * BM;
  let col0 = wid.x * BN;
  let kg = lid / (WX * WY);
  let tid = lid % (WX * WY);
  let tx = tid % WX;
  let ty = tid / WX;
  // Ranges of K: kChunk long each, split-major.
  let kStart = (split * KG + kg) * p.kChunk;
  let kEnd = min(p.k, kStart + p.kChunk);
  let rowA = BM / 4u + 1u;
  let rowB = BN / 4u;
  let sizeA = BK * rowA;
  let sizeB = BK * rowB;
  let blocksA = (BM / 4u) * (BK / 4u);
  let blocks = blocksA + (BN / 4u) * (BK / 4u);
  let tiles = (p.kChunk + BK - 1u) / BK;

  var acc: array<vec4f, TM * QN>;
  var next: array<mat4x4f, FETCH>;
  for (var f = 0u; f < FETCH; f++) {
    let t = tid + f * WX * WY;
    if (t < blocksA) {
      // Neighbouring threads take neighbouring memory: along M where A is stored K x M, else along K.
      let q = select(vec2u(t / (BK / 4u), t % (BK / 4u)), vec2u(t % (BM / 4u), t / (BM / 4u)), A_T);
      next[f] = blockA(baseA, row0 + q.x * 4u, kStart + q.y * 4u, kEnd);
    } else if (t < blocks) {
      let u = t - blocksA;
      let q = select(vec2u(u % (BN / 4u), u / (BN / 4u)), vec2u(u / (BK / 4u), u % (BK / 4u)), B_T);
      next[f] = blockB(baseB, kStart + q.y * 4u, col0 + q.x * 4u, kEnd);
    }
  }
  for (var tile = 0u; tile < tiles; tile++) {
    let stage = select(0u, tile % 2u, STAGES == 2u);
    let atA = (stage * KG + kg) * sizeA;
    let atB = (stage * KG + kg) * sizeB;
    for (var f = 0u; f < FETCH; f++) {
      let t = tid + f * WX * WY;
      if (t < blocksA) {
        let q = select(vec2u(t / (BK / 4u), t % (BK / 4u)), vec2u(t % (BM / 4u), t / (BM / 4u)), A_T);
        for (var kk = 0u; kk < 4u; kk++) { tileA[atA + (q.y * 4u + kk) * rowA + q.x] = next[f][kk]; }
      } else if (t < blocks) {
        let u = t - blocksA;
        let q = select(vec2u(u % (BN / 4u), u / (BN / 4u)), vec2u(u / (BK / 4u), u % (BK / 4u)), B_T);
        for (var kk = 0u; kk < 4u; kk++) { tileB[atB + (q.y * 4u + kk) * rowB + q.x] = next[f][kk]; }
      }
    }
    workgroupBarrier();
    if (tile + 1u < tiles) {
      let k0 = kStart + (tile + 1u) * BK;
      for (var f = 0u; f < FETCH; f++) {
        let t = tid + f * WX * WY;
        if (t < blocksA) {
          let q = select(vec2u(t / (BK / 4u), t % (BK / 4u)), vec2u(t % (BM / 4u), t / (BM / 4u)), A_T);
          next[f] = blockA(baseA, row0 + q.x * 4u, k0 + q.y * 4u, kEnd);
        } else if (t < blocks) {
          let u = t - blocksA;
          let q = select(vec2u(u % (BN / 4u), u / (BN / 4u)), vec2u(u / (BK / 4u), u % (BK / 4u)), B_T);
          next[f] = blockB(baseB, k0 + q.y * 4u, col0 + q.x * 4u, kEnd);
        }
      }
    }
    for (var k = 0u; k < BK; k++) {
      var bs: array<vec4f, QN>;
      for (var h = 0u; h < QN; h++) { bs[h] = tileB[atB + k * rowB + h * WX + tx]; }
      for (var h = 0u; h < QM; h++) {
        let x = tileA[atA + k * rowA + h * WY + ty];
        for (var w = 0u; w < QN; w++) {
          acc[(h * 4u + 0u) * QN + w] = fma(vec4f(x.x), bs[w], acc[(h * 4u + 0u) * QN + w]);
          acc[(h * 4u + 1u) * QN + w] = fma(vec4f(x.y), bs[w], acc[(h * 4u + 1u) * QN + w]);
          acc[(h * 4u + 2u) * QN + w] = fma(vec4f(x.z), bs[w], acc[(h * 4u + 2u) * QN + w]);
          acc[(h * 4u + 3u) * QN + w] = fma(vec4f(x.w), bs[w], acc[(h * 4u + 3u) * QN + w]);
        }
      }
    }
    if (STAGES == 1u) { workgroupBarrier(); }
  }
  // The groups' sums, in order: group 1's, 2's, ... onto group 0's, through tileA (large enough: KG * BK * STAGES >= BN).
  for (var from = 1u; from < KG; from++) {
    workgroupBarrier();
    if (kg == from) {
      for (var i = 0u; i < TM * QN; i++) { tileA[i * WX * WY + tid] = acc[i]; }
    }
    workgroupBarrier();
    if (kg == 0u) {
      for (var i = 0u; i < TM * QN; i++) { acc[i] += tileA[i * WX * WY + tid]; }
    }
  }
  if (kg != 0u) { return; }
  for (var h = 0u; h < QM; h++) {
    for (var ii = 0u; ii < 4u; ii++) {
      for (var w = 0u; w < QN; w++) {
        finishOrSplit(batch, split, row0 + (h * WY + ty) * 4u + ii, col0 + (w * WX + tx) * 4u, acc[(h * 4u + ii) * QN + w]);
      }
    }
  }
}
