// Batched matmul for GPUs. One workgroup owns a BM x BN tile of one C[r, g] (and one split of K). Its KG thread groups share
// out that split's K in contiguous ranges, so that small products still fill the machine; their sums meet in workgroup
// memory at the end, in order. One thread holds TM x TN sums: quads of rows and of columns WY and WX quads apart, so that
// neighbouring threads read neighbouring vec4s. The next tile is fetched into registers while the current one is used.
// The tile's numbers are plain constants put in front of this text, a pipeline a tile, not a shape: register arrays cannot be
// sized by an override, and the compiler unrolls and folds addresses only where it knows them. BM x BN x BK: the tile;
// TM x TN: sums a thread; WX = BN / TN, WY = BM / TM threads; KG: groups of threads along K; RANGES: ranges of
// K that one group adds up one after the other (1 where KG > 1: the sums must meet in the same order); FETCH: 4 x 4 blocks a thread
// loads for a tile, at most 4; STAGES: tile buffers (2: one barrier a tile instead of two).
const QM = TM / 4u;
const QN = TN / 4u;

// k-major; one spare vec4 a row of A keeps transposing stores off one another's banks.
const TOTALS = select(1u, TM * QN, RANGES > 1u);
const rowA = BM / 4u + 1u;
const rowB = BN / 4u;
var<workgroup> tileA: array<vec4f, STAGES * KG * BK * rowA>;
var<workgroup> tileB: array<vec4f, STAGES * KG * BK * rowB>;
const blocksA = (BM / 4u) * (BK / 4u);
const blocks = blocksA + (BN / 4u) * (BK / 4u);

// The t-th 4 x 4 block of a tile whose K starts at k0: A's blocks first, then B's.
fn fetch(t: u32, baseA: u32, baseB: u32, row0: u32, col0: u32, k0: u32, kEnd: u32) -> mat4x4f {
  if (t < blocksA) {
    let q = placeA(t);
    return blockA(baseA, row0 + q.x * 4u, k0 + q.y * 4u, kEnd);
  }
  let q = placeB(t - blocksA);
  return blockB(baseB, k0 + q.y * 4u, col0 + q.x * 4u, kEnd);
}

// Puts a fetched block into the tiles of thread group and stage `slot`.
fn put(t: u32, slot: u32, x: mat4x4f) {
  if (t < blocksA) {
    let q = placeA(t);
    let at = slot * BK * rowA + q.y * 4u * rowA + q.x;
    tileA[at] = x[0];
    tileA[at + rowA] = x[1];
    tileA[at + 2u * rowA] = x[2];
    tileA[at + 3u * rowA] = x[3];
  } else if (t < blocks) {
    let q = placeB(t - blocksA);
    let at = slot * BK * rowB + q.y * 4u * rowB + q.x;
    tileB[at] = x[0];
    tileB[at + rowB] = x[1];
    tileB[at + 2u * rowB] = x[2];
    tileB[at + 3u * rowB] = x[3];
  }
}

// (block along M or N, block along K). Neighbouring threads take neighbouring memory: along K where a row holds K.
fn placeA(t: u32) -> vec2u {
  if (A_T) { return vec2u(t % (BM / 4u), t / (BM / 4u)); }
  return vec2u(t / (BK / 4u), t % (BK / 4u));
}
fn placeB(t: u32) -> vec2u {
  if (B_T) { return vec2u(t / (BK / 4u), t % (BK / 4u)); }
  return vec2u(t % (BN / 4u), t / (BN / 4u));
}

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
  let step = WX * WY;
  // Ranges of K: kChunk long each, split-major.
  let kStart = (split * KG + kg) * RANGES * p.kChunk;
  var kEnd = min(p.k, kStart + p.kChunk);
  let tilesPerRange = (p.kChunk + BK - 1u) / BK;
  let tiles = tilesPerRange * RANGES;

  var acc: array<vec4f, TM * QN>;
  var total: array<vec4f, TOTALS>; // sums of the ranges done
  var next0 = fetch(tid, baseA, baseB, row0, col0, kStart, kEnd);
  var next1: mat4x4f;
  var next2: mat4x4f;
  var next3: mat4x4f;
  if (FETCH > 1u) { next1 = fetch(tid + step, baseA, baseB, row0, col0, kStart, kEnd); }
  if (FETCH > 2u) { next2 = fetch(tid + 2u * step, baseA, baseB, row0, col0, kStart, kEnd); }
  if (FETCH > 3u) { next3 = fetch(tid + 3u * step, baseA, baseB, row0, col0, kStart, kEnd); }
  for (var tile = 0u; tile < tiles; tile++) {
    let slot = select(0u, (tile % 2u) * KG, STAGES == 2u) + kg;
    put(tid, slot, next0);
    if (FETCH > 1u) { put(tid + step, slot, next1); }
    if (FETCH > 2u) { put(tid + 2u * step, slot, next2); }
    if (FETCH > 3u) { put(tid + 3u * step, slot, next3); }
    workgroupBarrier();
    if (tile + 1u < tiles) {
      var k0 = kStart + (tile + 1u) * BK;
      if (RANGES > 1u) {
        let range = (tile + 1u) / tilesPerRange;
        let start = kStart + range * p.kChunk;
        k0 = start + (tile + 1u - range * tilesPerRange) * BK;
        kEnd = min(p.k, start + p.kChunk);
      }
      next0 = fetch(tid, baseA, baseB, row0, col0, k0, kEnd);
      if (FETCH > 1u) { next1 = fetch(tid + step, baseA, baseB, row0, col0, k0, kEnd); }
      if (FETCH > 2u) { next2 = fetch(tid + 2u * step, baseA, baseB, row0, col0, k0, kEnd); }
      if (FETCH > 3u) { next3 = fetch(tid + 3u * step, baseA, baseB, row0, col0, k0, kEnd); }
    }
    let atA = slot * BK * rowA + ty;
    let atB = slot * BK * rowB + tx;
    for (var k = 0u; k < BK; k++) {
      var bs: array<vec4f, QN>;
      for (var h = 0u; h < QN; h++) { bs[h] = tileB[atB + k * rowB + h * WX]; }
      for (var h = 0u; h < QM; h++) {
        let x = tileA[atA + k * rowA + h * WY];
        for (var w = 0u; w < QN; w++) {
          acc[(h * 4u + 0u) * QN + w] = fma(vec4f(x.x), bs[w], acc[(h * 4u + 0u) * QN + w]);
          acc[(h * 4u + 1u) * QN + w] = fma(vec4f(x.y), bs[w], acc[(h * 4u + 1u) * QN + w]);
          acc[(h * 4u + 2u) * QN + w] = fma(vec4f(x.z), bs[w], acc[(h * 4u + 2u) * QN + w]);
          acc[(h * 4u + 3u) * QN + w] = fma(vec4f(x.w), bs[w], acc[(h * 4u + 3u) * QN + w]);
        }
      }
    }
    if (STAGES == 1u) { workgroupBarrier(); }
    if (RANGES > 1u && (tile + 1u) % tilesPerRange == 0u) {
      for (var i = 0u; i < TM * QN; i++) {
        total[i % TOTALS] += acc[i];
        acc[i] = vec4f(0.0);
      }
    }
  }
  if (RANGES > 1u) {
    for (var i = 0u; i < TM * QN; i++) { acc[i] = total[i % TOTALS]; }
  }
  // The groups' sums, in order: group 1's, 2's, ... onto group 0's, through tileA (large enough: KG * BK * STAGES >= BN).
  for (var other = 1u; other < KG; other++) {
    workgroupBarrier();
    if (kg == other) {
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
