// Batched matmul on matrix units (tensor cores): factors rounded to f16 on their way into workgroup memory, products and sums in f32.
// One workgroup owns a BM x BN tile of one C[r, g] (and one split of K), BK of K at a time. A subgroup of 32 owns FI x FJ blocks of
// MM x MN; SY x SX of them cover the tile. KG such groups divide the split's K into contiguous ranges, so that small products
// still fill the machine, and their sums are added in order at the end. Rows in workgroup memory have the layout of memory
// (TA: K x M, TB: N x K) and are SPARE elements longer, which keeps the rows of a block out of each other's banks: 51 TFLOP/s
// without, 137 with (128 x 128, H200).
// The next slice waits in registers, as it is stored, while the current one is used. A factor stored as f16 (HALF_A, HALF_B) stays
// in pairs there: four separate halves would take as many registers as four f32. Two slices ahead, or a second copy of the tiles
// and one barrier per slice, gain nothing on an H200.
// Indices of workgroup memory are computed in place from local_invocation_index: Dawn's compiler then proves them in bounds and
// omits the check, which would split the four stores of a quad. It cannot prove it for a function's parameter (106 TFLOP/s, not 200).
// WGSL does not specify which lane has which element of a result block: blocks pass through workgroup memory to the epilogue, one
// at a time. A whole row of them at once costs half the speed (110 TFLOP/s instead of 219 at 4096^3): this driver gives a
// multiprocessor some 48 KiB, so that only one workgroup fits on it.
const LANES = 32u;
const GROUP = LANES * SX * SY;
const SIZE_A = ROWS_A * LD_A;
const SIZE_B = ROWS_B * LD_B;
const SIZE_STAGE = MM * LD_STAGE; // a block
var<workgroup> tileA: array<f16, KG * SIZE_A>;
var<workgroup> tileB: array<f16, KG * SIZE_B>;
var<workgroup> stage: array<f32, KG * SX * SY / TURNS * SIZE_STAGE>;

// Four elements of a stored row, from `col` of row `row` of the slice at k0.
fn fetchA(base: u32, row0: u32, k0: u32, row: u32, col: u32, kEnd: u32) -> FactorA {
#if TA
  let i = row0 + col;
  return loadA(base + (k0 + row) * p.aRow + i, room(select(0u, p.m - i, i < p.m), k0 + row < kEnd));
#end
#if ALONG_A
  let k = k0 + col;
  return loadA(base + (row0 + row) * p.aRow + k, room(select(0u, kEnd - k, k < kEnd), row0 + row < p.m));
#end
}
fn fetchB(base: u32, col0: u32, k0: u32, row: u32, col: u32, kEnd: u32) -> FactorB {
#if TB
  let k = k0 + col;
  return loadB(base + (col0 + row) * p.bRow + k, room(select(0u, kEnd - k, k < kEnd), col0 + row < p.n));
#end
#if ALONG_B
  let j = col0 + col;
  return loadB(base + (k0 + row) * p.bRow + j, room(select(0u, p.n - j, j < p.n), k0 + row < kEnd));
#end
}

#if CHECKS
const NO_NUMBER = 0xffffffffu;
// The largest magnitude, compared by its bits, so that NaN is the largest of all. One column, or one row, of workgroups checks each
// element.
fn largest(x: vec4f) -> u32 {
  let y = bitcast<vec4u>(x) & vec4u(0x7fffffffu);
  return max(max(y.x, y.y), max(y.z, y.w));
}
#end

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
#if CHECKS
  var worst = 0u;
#end
  // Neighbouring threads take a row's quads side by side, and every STEP-th row.
  let rowA = tid / (COLS_A / 4u);
  let colA = tid % (COLS_A / 4u) * 4u;
  let toA = kg * SIZE_A + rowA * LD_A + colA;
  let rowB = tid / (COLS_B / 4u);
  let colB = tid % (COLS_B / 4u) * 4u;
  let toB = kg * SIZE_B + rowB * LD_B + colB;
#for i < VA
  var nextA{i} = fetchA(baseA, row0, kStart, rowA + {i}u * STEP_A, colA, kEnd);
#end
#for i < VB
  var nextB{i} = fetchB(baseB, col0, kStart, rowB + {i}u * STEP_B, colB, kEnd);
#end
#for i < FI, j < FJ
  var c{i}_{j} = subgroup_matrix_result<f32, MN, MM>();
#end
  for (var slice = 0u; slice < slices; slice++) {
#if CHECK_A
    if (wid.x == 0u) {
#for i < VA
#if FULL_A
      worst = max(worst, largest(nextA{i}));
#end
#if HALF_A
      worst = select(worst, NO_NUMBER, storedOverflow(nextA{i}));
#end
#end
    }
#end
#if CHECK_B
    if (wid.y == 0u) {
#for i < VB
#if FULL_B
      worst = max(worst, largest(nextB{i}));
#end
#if HALF_B
      worst = select(worst, NO_NUMBER, storedOverflow(nextB{i}));
#end
#end
    }
#end
#for i < VA
#if FULL_A
    let halvesA{i} = vec4<f16>(nextA{i});
#end
#if HALF_A
    let halvesA{i} = bitcast<vec4<f16>>(nextA{i});
#end
    tileA[toA + {i}u * STEP_A * LD_A] = halvesA{i}.x;
    tileA[toA + {i}u * STEP_A * LD_A + 1u] = halvesA{i}.y;
    tileA[toA + {i}u * STEP_A * LD_A + 2u] = halvesA{i}.z;
    tileA[toA + {i}u * STEP_A * LD_A + 3u] = halvesA{i}.w;
#end
#for i < VB
#if FULL_B
    let halvesB{i} = vec4<f16>(nextB{i});
#end
#if HALF_B
    let halvesB{i} = bitcast<vec4<f16>>(nextB{i});
#end
    tileB[toB + {i}u * STEP_B * LD_B] = halvesB{i}.x;
    tileB[toB + {i}u * STEP_B * LD_B + 1u] = halvesB{i}.y;
    tileB[toB + {i}u * STEP_B * LD_B + 2u] = halvesB{i}.z;
    tileB[toB + {i}u * STEP_B * LD_B + 3u] = halvesB{i}.w;
#end
    workgroupBarrier();
    if (slice + 1u < slices) {
      let k0 = kStart + (slice + 1u) * BK;
#for i < VA
      nextA{i} = fetchA(baseA, row0, k0, rowA + {i}u * STEP_A, colA, kEnd);
#end
#for i < VB
      nextB{i} = fetchB(baseB, col0, k0, rowB + {i}u * STEP_B, colB, kEnd);
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
#if CHECKS
  if (worst >= bitcast<u32>(65520.0)) { atomicOr(&scaling[r * SCALING_WORDS + SCALING_OVERFLOW], 1u); }
#end
  // A block of each subgroup at a time, or of every TURNS-th. Of a block's quads, 32 to an item, group kg finishes every KG-th item,
  // with the sums of all groups in order. The inputs of the epilogue are fetched for a whole row of blocks.
  let place = (kg * SX * SY + subgroup) / TURNS;
  let turn = (kg * SX * SY + subgroup) % TURNS;
#for q < ITEMS
  let item{q} = (kg + {q}u * KG) * LANES + lane;
  let line{q} = item{q} / (MN / 4u) % MM;
  let column{q} = item{q} % (MN / 4u) * 4u;
  let at{q} = (subgroup / TURNS) * SIZE_STAGE + line{q} * LD_STAGE + column{q};
#end
#for i < FI
  {
    let top = row0 + subRow + {i}u * MM;
#for j < FJ, q < ITEMS
    let extra{j}_{q} = besideUnlessSplit(r, g, top + line{q}, col0 + subCol + {j}u * MN + column{q});
#end
#for j < FJ, t < TURNS
    if (turn == {t}u) { subgroupMatrixStore<row_major>(&stage, place * SIZE_STAGE, c{i}_{j}, LD_STAGE); }
    workgroupBarrier();
#for q < ITEMS
    if (item{q} < MM * MN / 4u && turn == {t}u) {
      var sum = vec4f(stage[at{q}], stage[at{q} + 1u], stage[at{q} + 2u], stage[at{q} + 3u]);
#for o < OTHERS
      {
        let next = at{q} + ({o}u + 1u) * (SX * SY / TURNS) * SIZE_STAGE;
        sum += vec4f(stage[next], stage[next + 1u], stage[next + 2u], stage[next + 3u]);
      }
#end
      finishOrSplit(batch, split, top + line{q}, col0 + subCol + {j}u * MN + column{q}, sum, extra{j}_{q});
    }
#end
    workgroupBarrier();
#end
  }
#end
}
