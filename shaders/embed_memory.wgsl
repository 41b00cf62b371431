// First layer on tokens for GPUs, the sums of embed.wgsl in the same order, with the filters in workgroup memory:
//   output[r, b, t] = relu(scale * sum_j x(b, t*stride - padding + j) W[j] + position[t]),  or relu(scale * (sum + position[t])) with POSITION_INSIDE
// One workgroup owns QUADS * 4 channels of one replica (and window, if each has its own filter) and TILE windows. It reads the
// filters of its channels once, subtracts the mean of each column, and from then on a token is a row of workgroup memory:
// per output one store and J loads from there. A warp reads and writes 512 contiguous bytes.
// HALF: the output is stored as f16 (halves.wgsl). QUADS, PARTS (rows of threads), J (places of the window) and TILE are defined
// before this text; #for is unrolled (src/gpu/unroll.ts).
override SYMBOLS: u32; // v
// Rows of one j: W - S / v of every symbol, v^-1/2 S for a masked token, zero outside the sentence, S / v.
override MASKED = SYMBOLS;
override OUTSIDE = SYMBOLS + 1u;
override MEAN = SYMBOLS + 2u;
override SLOTS = SYMBOLS + 3u;
const THREADS = QUADS * PARTS;

var<workgroup> filters: array<Value, J * SLOTS * QUADS>; // [j][slot][quad]; WGSL starts it at zero
var<workgroup> slots: array<u32, J * TILE>; // [j][window]

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let lane = tid % QUADS;
  let part = tid / QUADS;
  let c = wid.x * QUADS + lane;
  // Grid z: replicas, times windows if every window has its own filter.
  let groups = select(1u, p.windows, p.local == 1u);
  let r = wid.z / groups;
  let g = wid.z % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let origin = r * p.weightReplica + g * J * SYMBOLS * p.width + min(c, p.width - 1u);
  for (var row = part; row < J * SYMBOLS; row += PARTS) {
    filters[(row / SYMBOLS * SLOTS + row % SYMBOLS) * QUADS + lane] = weight[origin + row * p.width];
  }
  let start = wid.y * TILE;
  for (var n = tid; n < J * TILE; n += THREADS) {
    let row = min(start + n % TILE, rows - 1u);
    let at = i32((g + row % PER_SENTENCE) * p.stride + n / TILE) - i32(p.padding);
    let token = tokens[
      r * p.tokensReplica + row / PER_SENTENCE * p.tokenRow + p.firstToken + u32(clamp(at, 0, i32(p.length) - 1))];
    var slot = min(token, SYMBOLS - 1u);
    if (WHITENED && at == p.masked) { slot = MASKED; }
    if (at < 0 || at >= i32(p.length)) { slot = OUTSIDE; }
    slots[n] = slot;
  }
  workgroupBarrier();
  if (WHITENED) {
    for (var j = part; j < J; j += PARTS) {
      var columnSum = Value();
      for (var u = 0u; u < SYMBOLS; u++) { columnSum += filters[(j * SLOTS + u) * QUADS + lane]; }
      filters[(j * SLOTS + MEAN) * QUADS + lane] = columnSum / f32(SYMBOLS);
      filters[(j * SLOTS + MASKED) * QUADS + lane] = columnSum * inverseSqrt(f32(SYMBOLS));
    }
    workgroupBarrier();
    for (var row = part; row < J * SYMBOLS; row += PARTS) {
      let first = row / SYMBOLS * SLOTS;
      filters[(first + row % SYMBOLS) * QUADS + lane] -= filters[(first + MEAN) * QUADS + lane];
    }
    workgroupBarrier();
  }
  if (c >= p.width) { return; }
  let c1 = inverseSqrt(1.0 - 1.0 / f32(SYMBOLS));
  for (var n = part; n < TILE && start + n < rows; n += PARTS) {
    let b = (start + n) / PER_SENTENCE;
    let t = g + (start + n) % PER_SENTENCE;
    var sum = Value();
#for j < J
    {
      let slot = slots[{j}u * TILE + n];
      let w = filters[({j}u * SLOTS + slot) * QUADS + lane];
      if (WHITENED) {
        sum = fma(Value(select(c1, 1.0, slot == MASKED)), w, sum);
      } else {
        sum += w;
      }
    }
#end
    if (p.positionRows > 0u && POSITION_INSIDE) { sum += position[r * p.positionReplica + (t % p.positionRows) * p.width + c]; }
    sum *= p.scale;
    if (p.positionRows > 0u && !POSITION_INSIDE) { sum += position[r * p.positionReplica + (t % p.positionRows) * p.width + c]; }
    if (RELU) { sum = max(sum, Value()); }
#if FULL
    output[r * p.outputReplica + (b * p.windows + t) * p.width + c] = sum;
#end
#if HALF
    output[r * p.outputReplica + (b * p.windows + t) * p.width + c] = storedHalves(sum, RELU);
#end
  }
}
