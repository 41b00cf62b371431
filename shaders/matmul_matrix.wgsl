// Batched matmul on matrix units (tensor cores): factors rounded to f16 on their way into workgroup memory, products and sums in f32.
// One workgroup owns a BM x BN tile of one C[r, g] (and one split of K), BK of K at a time. A subgroup of 32 owns FI x FJ blocks of
// MM x MN; SY x SX of them cover the tile. KG such groups share out the split's K in contiguous ranges, so that small products
// still fill the machine, and their sums meet in order at the end. Rows in workgroup memory lie as in memory (TA: K x M, TB: N x K) and are
// SPARE elements longer, which keeps the rows of a block off one another's banks: 51 TFLOP/s without, 137 with (128 x 128, H200).
// The next slice waits in registers, as f32, while the current one is used. A second copy of the tiles in workgroup memory, one
// barrier a slice, takes four times as long on an H200 (42 TFLOP/s for 204): its address is not a constant any more.
// A result block's elements belong to no lane that WGSL knows of: blocks pass through workgroup memory to the epilogue, one at a time. A whole
// row of them at once costs half the speed (110 TFLOP/s for 219 at 4096^3): this driver gives a multiprocessor some 48 KiB, so
// that only one workgroup is left on it.
const LANES = 32u;
const GROUP = LANES * SX * SY;
const SIZE_A = ROWS_A * LD_A;
const SIZE_B = ROWS_B * LD_B;
const SIZE_STAGE = MM * LD_STAGE; // a block
var<workgroup> tileA: array<f16, KG * SIZE_A>;
var<workgroup> tileB: array<f16, KG * SIZE_B>;
var<workgroup> stage: array<f32, KG * SX * SY / TURNS * SIZE_STAGE>;

// Four elements of a stored row, from `col` of row `row` of the slice at k0.
fn fetchA(base: u32, row0: u32, k0: u32, row: u32, col: u32, kEnd: u32) -> vec4f {
#if TA
  let i = row0 + col;
  return loadA(base + (k0 + row) * p.aRow + i, room(select(0u, p.m - i, i < p.m), k0 + row < kEnd));
#end
#if ALONG_A
  let k = k0 + col;
  return loadA(base + (row0 + row) * p.aRow + k, room(select(0u, kEnd - k, k < kEnd), row0 + row < p.m));
#end
}
fn fetchB(base: u32, col0: u32, k0: u32, row: u32, col: u32, kEnd: u32) -> vec4f {
#if TB
  let k = k0 + col;
  return loadB(base + (col0 + row) * p.bRow + k, room(select(0u, kEnd - k, k < kEnd), col0 + row < p.n));
#end
#if ALONG_B
  let j = col0 + col;
  return loadB(base + (k0 + row) * p.bRow + j, room(select(0u, p.n - j, j < p.n), k0 + row < kEnd));
#end
}
fn putA(at: u32, x: vec4f) {
  let h = vec4<f16>(x);
  tileA[at] = h.x;
  tileA[at + 1u] = h.y;
  tileA[at + 2u] = h.z;
  tileA[at + 3u] = h.w;
}
fn putB(at: u32, x: vec4f) {
  let h = vec4<f16>(x);
  tileB[at] = h.x;
  tileB[at + 1u] = h.y;
  tileB[at + 2u] = h.z;
  tileB[at + 3u] = h.w;
}

@compute @workgroup_size(LANES * SX * SY * KG)
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
  let lane = tid % LANES;
  let subgroup = tid / LANES;
  let subRow = (subgroup / SX) * MM * FI;
  let subCol = (subgroup % SX) * MN * FJ;
  let kStart = (split * KG + kg) * p.kChunk;
  let kEnd = min(p.k, kStart + p.kChunk);
  let slices = (p.kChunk + BK - 1u) / BK;
#if FLAGS
  var worst = vec4f();
#end
#for i < VA
  let rowA{i} = (tid + {i}u * GROUP) / (COLS_A / 4u);
  let colA{i} = (tid + {i}u * GROUP) % (COLS_A / 4u) * 4u;
  let toA{i} = kg * SIZE_A + rowA{i} * LD_A + colA{i};
  var nextA{i} = fetchA(baseA, row0, kStart, rowA{i}, colA{i}, kEnd);
#end
#for i < VB
  let rowB{i} = (tid + {i}u * GROUP) / (COLS_B / 4u);
  let colB{i} = (tid + {i}u * GROUP) % (COLS_B / 4u) * 4u;
  let toB{i} = kg * SIZE_B + rowB{i} * LD_B + colB{i};
  var nextB{i} = fetchB(baseB, col0, kStart, rowB{i}, colB{i}, kEnd);
#end
#for i < FI, j < FJ
  var c{i}_{j} = subgroup_matrix_result<f32, MN, MM>();
#end
  for (var slice = 0u; slice < slices; slice++) {
#if FLAGS
    // Each element is looked at by one column of workgroups, or one row of them.
    if (wid.x == 0u) {
#for i < VA
      worst = max(worst, abs(nextA{i}));
#end
    }
    if (wid.y == 0u) {
#for i < VB
      worst = max(worst, abs(nextB{i}));
#end
    }
#end
#for i < VA
    putA(toA{i}, nextA{i});
#end
#for i < VB
    putB(toB{i}, nextB{i});
#end
    workgroupBarrier();
    if (slice + 1u < slices) {
      let k0 = kStart + (slice + 1u) * BK;
#for i < VA
      nextA{i} = fetchA(baseA, row0, k0, rowA{i}, colA{i}, kEnd);
#end
#for i < VB
      nextB{i} = fetchB(baseB, col0, k0, rowB{i}, colB{i}, kEnd);
#end
    }
#for k < KSTEPS
    {
#for i < FI
#if TA
      let a{i} = subgroupMatrixLoad<subgroup_matrix_left<f16, MK, MM>, col_major>(&tileA, kg * SIZE_A + {k}u * MK * LD_A + subRow + {i}u * MM, LD_A);
#end
#if ALONG_A
      let a{i} = subgroupMatrixLoad<subgroup_matrix_left<f16, MK, MM>, row_major>(&tileA, kg * SIZE_A + (subRow + {i}u * MM) * LD_A + {k}u * MK, LD_A);
#end
#end
#for j < FJ
#if TB
      let b{j} = subgroupMatrixLoad<subgroup_matrix_right<f16, MN, MK>, col_major>(&tileB, kg * SIZE_B + (subCol + {j}u * MN) * LD_B + {k}u * MK, LD_B);
#end
#if ALONG_B
      let b{j} = subgroupMatrixLoad<subgroup_matrix_right<f16, MN, MK>, row_major>(&tileB, kg * SIZE_B + {k}u * MK * LD_B + subCol + {j}u * MN, LD_B);
#end
#end
#for i < FI, j < FJ
      c{i}_{j} = subgroupMatrixMultiplyAccumulate(a{i}, b{j}, c{i}_{j});
#end
    }
#end
    workgroupBarrier();
  }
#if FLAGS
  if (any(worst >= vec4f(65520.0))) { atomicOr(&scaling[r * SCALING_WORDS + SCALING_OVERFLOW], 1u); }
#end
  // A block of each subgroup at a time, or of every TURNS-th. Of a block's quads, 32 to an item, group kg finishes every KG-th item,
  // with the sums of all groups in order. What the epilogue reads is fetched for a whole row of blocks.
  let place = (kg * SX * SY + subgroup) / TURNS;
  let turn = (kg * SX * SY + subgroup) % TURNS;
#for i < FI
  {
    let top = row0 + subRow + {i}u * MM;
#for j < FJ, q < ITEMS
    let extra{j}_{q} = besideUnlessSplit(r, g, top + lineOf(kg + {q}u * KG, lane), col0 + subCol + {j}u * MN + columnOf(kg + {q}u * KG, lane));
#end
#for j < FJ, t < TURNS
    if (turn == {t}u) { subgroupMatrixStore<row_major>(&stage, place * SIZE_STAGE, c{i}_{j}, LD_STAGE); }
    workgroupBarrier();
#for q < ITEMS
    if ((kg + {q}u * KG) * LANES < MM * MN / 4u && turn == {t}u) {
      let line = lineOf(kg + {q}u * KG, lane);
      let column = columnOf(kg + {q}u * KG, lane);
      let at = (subgroup / TURNS) * SIZE_STAGE + line * LD_STAGE + column;
      var sum = vec4f(stage[at], stage[at + 1u], stage[at + 2u], stage[at + 3u]);
#for o < OTHERS
      {
        let next = at + ({o}u + 1u) * (SX * SY / TURNS) * SIZE_STAGE;
        sum += vec4f(stage[next], stage[next + 1u], stage[next + 2u], stage[next + 3u]);
      }
#end
      finishOrSplit(batch, split, top + line, col0 + subCol + {j}u * MN + column, sum, extra{j}_{q});
    }
#end
    workgroupBarrier();
#end
  }
#end
}

// Where quad `lane` of an item lies in a block.
fn lineOf(item: u32, lane: u32) -> u32 { return (item * LANES + lane) / (MN / 4u); }
fn columnOf(item: u32, lane: u32) -> u32 { return (item * LANES + lane) % (MN / 4u) * 4u; }
