// Batched matmul for GPUs. One workgroup owns a BM x BN tile of one C[r, g] (and one split of K). Its KG thread groups divide
// that split's K into contiguous ranges, so that small products still fill the machine; their sums are added in workgroup
// memory at the end, in order. One thread has TM x TN sums: quads of rows and of columns WY and WX quads apart, so that
// neighbouring threads read neighbouring vec4s. The next tile is fetched into registers while the current one is used.
// The tile's numbers are constants defined before this text, so there is one pipeline per tile, not per shape; loops over
// registers and over k are unrolled by `#for` (src/gpu/unroll.ts). BM x BN x BK: the tile; TM x TN = 4 QM x 4 QN: sums per
// thread; WX = BN / TN, WY = BM / TM threads; KG: groups of threads along K; RANGES: ranges of K that one group adds up one
// after the other (1 if KG > 1: the sums must be added in the same order); FA, FB: 4 x 4 blocks of A and B that a thread
// fetches.
// Sums are named sum{h}_{e}_{w}: row e of quad h, columns of quad w.
const GROUP = WX * WY;
const blocksA = (BM / 4u) * (BK / 4u);
const blocksB = (BN / 4u) * (BK / 4u);
// DENSE: blocks go to workgroup memory as fetched (matmul_dense.wgsl). ONE_HOT: numbers are computed from them then
// (matmul_onehot.wgsl). With functions that do nothing instead of DENSE the 128 x 128 tile took a tenth longer on an H100.
// k-major; a spare vec4 per row keeps transposing stores out of each other's banks.
const rowA = BM / 4u + PAD_A;
const rowB = BN / 4u + PAD_B;
var<workgroup> tileA: array<vec4f, KG * BK * rowA>;
var<workgroup> tileB: array<vec4f, KG * BK * rowB>;

// (block along M or N, block along K) of block t. Neighbouring threads take neighbouring memory: along K if a row runs along K.
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
  let kg = lid / GROUP;
  let tid = lid % GROUP;
  let tx = tid % WX;
  let ty = tid / WX;
  // Ranges of K: kChunk long each, split-major.
  let kStart = (split * KG + kg) * RANGES * p.kChunk;
  var kEnd = min(p.k, kStart + p.kChunk);
  let tilesPerRange = (p.kChunk + BK - 1u) / BK;
  let tiles = tilesPerRange * RANGES;
  // Source and destination of this thread's blocks.
#for i < FA
  let fromA{i} = placeA(tid + {i}u * GROUP);
  let toA{i} = kg * BK * rowA + fromA{i}.y * 4u * rowA + fromA{i}.x;
  let ownsA{i} = blocksA % GROUP == 0u || tid + {i}u * GROUP < blocksA;
  var nextA{i}: RawA;
  if (ownsA{i}) { nextA{i} = fetchA(baseA, row0 + fromA{i}.x * 4u, kStart + fromA{i}.y * 4u, kEnd); }
#end
#for i < FB
  let fromB{i} = placeB(tid + {i}u * GROUP);
  let toB{i} = kg * BK * rowB + fromB{i}.y * 4u * rowB + fromB{i}.x;
  let ownsB{i} = blocksB % GROUP == 0u || tid + {i}u * GROUP < blocksB;
  var nextB{i}: RawB;
  if (ownsB{i}) { nextB{i} = fetchB(baseB, kStart + fromB{i}.y * 4u, col0 + fromB{i}.x * 4u, kEnd); }
#end
#for h < QM, e < 4, w < QN
  var sum{h}_{e}_{w} = vec4f();
#end
#if TOTALS
#for h < QM, e < 4, w < QN
  var total{h}_{e}_{w} = vec4f();
#end
#end
  let readA = kg * BK * rowA + ty;
  let readB = kg * BK * rowB + tx;
#if ONE_HOT
  var first = kStart; // first window of the fetched tile
#end
  for (var tile = 0u; tile < tiles; tile++) {
#for i < FA
    if (ownsA{i}) {
#if DENSE
      tileA[toA{i}] = nextA{i}[0];
      tileA[toA{i} + rowA] = nextA{i}[1];
      tileA[toA{i} + 2u * rowA] = nextA{i}[2];
      tileA[toA{i} + 3u * rowA] = nextA{i}[3];
#end
#if ONE_HOT
      let rows = makeA(nextA{i}, row0 + fromA{i}.x * 4u, first + fromA{i}.y * 4u, kEnd);
      tileA[toA{i}] = rows[0];
      tileA[toA{i} + rowA] = rows[1];
      tileA[toA{i} + 2u * rowA] = rows[2];
      tileA[toA{i} + 3u * rowA] = rows[3];
#end
    }
#end
#for i < FB
    if (ownsB{i}) {
#if DENSE
      tileB[toB{i}] = nextB{i}[0];
      tileB[toB{i} + rowB] = nextB{i}[1];
      tileB[toB{i} + 2u * rowB] = nextB{i}[2];
      tileB[toB{i} + 3u * rowB] = nextB{i}[3];
#end
#if ONE_HOT
      let rows = makeB(nextB{i});
      tileB[toB{i}] = rows[0];
      tileB[toB{i} + rowB] = rows[1];
      tileB[toB{i} + 2u * rowB] = rows[2];
      tileB[toB{i} + 3u * rowB] = rows[3];
#end
    }
#end
    workgroupBarrier();
    if (tile + 1u < tiles) {
      var k0 = kStart + (tile + 1u) * BK;
#if TOTALS
      let range = (tile + 1u) / tilesPerRange;
      let start = kStart + range * p.kChunk;
      k0 = start + (tile + 1u - range * tilesPerRange) * BK;
      kEnd = min(p.k, start + p.kChunk);
#end
#if ONE_HOT
      first = k0;
#end
#for i < FA
      if (ownsA{i}) { nextA{i} = fetchA(baseA, row0 + fromA{i}.x * 4u, k0 + fromA{i}.y * 4u, kEnd); }
#end
#for i < FB
      if (ownsB{i}) { nextB{i} = fetchB(baseB, k0 + fromB{i}.y * 4u, col0 + fromB{i}.x * 4u, kEnd); }
#end
    }
#for k < BK
    {
#for h < QM
      let a{h} = tileA[readA + {k}u * rowA + {h}u * WY];
#end
#for w < QN
      let b{w} = tileB[readB + {k}u * rowB + {w}u * WX];
#end
#for h < QM, e < 4, w < QN
      sum{h}_{e}_{w} = fma(vec4f(a{h}.{e:xyzw}), b{w}, sum{h}_{e}_{w});
#end
    }
#end
    workgroupBarrier();
#if TOTALS
    if ((tile + 1u) % tilesPerRange == 0u) {
#for h < QM, e < 4, w < QN
      total{h}_{e}_{w} += sum{h}_{e}_{w};
      sum{h}_{e}_{w} = vec4f();
#end
    }
#end
  }
#if TOTALS
#for h < QM, e < 4, w < QN
  sum{h}_{e}_{w} = total{h}_{e}_{w};
#end
#end
#if ALONE
#for h < QM
  {
    let i = row0 + ({h}u * WY + ty) * 4u;
#for e < 4, w < QN
    let extra{e}_{w} = besideUnlessSplit(r, g, i + {e}u, col0 + ({w}u * WX + tx) * 4u);
#end
#for e < 4, w < QN
    finishOrSplit(batch, split, i + {e}u, col0 + ({w}u * WX + tx) * 4u, sum{h}_{e}_{w}, extra{e}_{w});
#end
  }
#end
#end
  // The groups' sums are added in tileA, MEET rows of a quad at a time. Each row is added in the order of the groups, and
  // finished, by one group, so that all groups have work until the end.
#if SHARED
#for h < QM, w < QN, n < ROUNDS
  {
    let i = row0 + ({h}u * WY + ty) * 4u + {n}u * MEET;
    let j = col0 + ({w}u * WX + tx) * 4u;
#for t < TURNS
    let extra{t} = besideUnlessSplit(r, g, i + kg + {t}u * KG, j);
#end
#for e < 4
    if ({e}u / MEET == {n}u) { tileA[(kg * MEET + {e}u % MEET) * GROUP + tid] = sum{h}_{e}_{w}; }
#end
    workgroupBarrier();
#for t < TURNS
    if (kg + {t}u * KG < MEET) {
      let row = kg + {t}u * KG;
      var sum = tileA[row * GROUP + tid];
#for o < OTHERS
      sum += tileA[(({o}u + 1u) * MEET + row) * GROUP + tid];
#end
      finishOrSplit(batch, split, i + row, j, sum, extra{t});
    }
#end
    workgroupBarrier();
  }
#end
#end
}
