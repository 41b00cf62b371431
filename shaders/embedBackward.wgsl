// Gradient of embed's weight: a segmented sum over the windows, in a fixed order, without atomics.
//   dW[j, u] = c1 (sum over windows whose j-th token is u of x - A[j] / v) + v^-1/2 M[j],   x = scale * relu'(output) * dOutput
//   A[j] = sum over unmasked windows of x, M[j] = sum over masked ones; not whitened: dW[j, u] = sum of x.
// Sums are in workgroup memory, indexed by the token: sums[part][j][slot][channel], slots as below. One workgroup owns
// CHANNELS channels, J places j of the window, all symbols and one range of windows; one thread owns one channel and ROWS of
// every PARTS * ROWS windows of the range, so that no sum is shared while windows are added. A row is loaded once for all J,
// ROWS of them while the previous ROWS are added. Neighbouring threads have neighbouring channels and the same token: no bank
// conflicts. Parts are added in order at the end; ranges of windows are added by sumSplits.wgsl. Unlike in the one-hot
// product of embedBackward_registers.wgsl, the work per row does not grow with the vocabulary.
// CHANNELS, PARTS, J, ROWS (a multiple of 4), QUADS = ROWS / 4 and TILE (a multiple of PARTS * ROWS) are defined before this
// text; #for is unrolled (src/gpu/unroll.ts).
override SYMBOLS: u32; // v
override PER_SENTENCE: u32; // windows of a sentence that belong to one filter: all, or 1 if each has its own
override WHITENED = false;
override RELU = false;
// Slots of one j: the symbols; masked windows; tokens outside the vocabulary, which count only in A; windows to ignore.
override MASKED = SYMBOLS;
override FOREIGN = SYMBOLS + 1u;
override NOTHING = SYMBOLS + 2u;
override SLOTS = SYMBOLS + 3u;
override PART = J * SLOTS * CHANNELS; // values per part
const THREADS = CHANNELS * PARTS;

var<workgroup> sums: array<f32, PARTS * PART>; // WGSL starts it at zero
var<workgroup> places: array<vec4u, J * TILE / 4u>; // for the windows of a tile, [j][window]: position of the sum in a part

// Position of window `row` of group g in the sums of the workgroup's j-th place, for channel 0.
fn placeOf(row: u32, rowEnd: u32, r: u32, g: u32, firstJ: u32, j: u32) -> u32 {
  let safe = min(row, rowEnd - 1u);
  let at = i32((g + safe % PER_SENTENCE) * p.stride + firstJ + j) - i32(p.padding);
  let token = tokens[
    r * p.tokensReplica + (safe / PER_SENTENCE) * p.tokenRow + p.firstToken + u32(clamp(at, 0, i32(p.length) - 1))];
  var slot = min(token, FOREIGN);
  if (token == MASKED) { slot = FOREIGN; }
  if (WHITENED && at == p.masked) { slot = MASKED; }
  if (row >= rowEnd || at < 0 || at >= i32(p.length) || firstJ + j >= p.filterSize) { slot = NOTHING; }
  return (j * SLOTS + slot) * CHANNELS;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let lane = tid % CHANNELS;
  let part = tid / CHANNELS;
  let c = wid.x * CHANNELS + lane;
  let groups = select(1u, p.windows, p.local == 1u);
  let batchGroup = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batchGroup / groups;
  let g = batchGroup % groups;
  let firstJ = wid.y * J;
  let rowEnd = min(select(p.batch * p.windows, p.batch, p.local == 1u), (split + 1u) * p.rowsPerSplit);
  let rowStride = select(p.width, p.windows * p.width, p.local == 1u);
  let channel = g * p.width + min(c, p.width - 1u);
  let mine = part * PART + lane;

#for k < QUADS
  var x{k} = vec4f();
  var gate{k} = vec4f();
#end
  var ahead = split * p.rowsPerSplit + part * ROWS; // first window of the rows that are loaded next
#for k < QUADS
  {
    let place = channel + rowStride * min(vec4u(ahead + {k}u * 4u) + vec4u(0u, 1u, 2u, 3u), vec4u(rowEnd - 1u));
    let d = r * p.dOutputReplica + place;
    x{k} = vec4f(dOutput[d.x], dOutput[d.y], dOutput[d.z], dOutput[d.w]);
    if (RELU) {
      let above = r * p.outputReplica + place;
      gate{k} = vec4f(output[above.x], output[above.y], output[above.z], output[above.w]);
    }
  }
#end
  for (var tile = split * p.rowsPerSplit; tile < rowEnd; tile += TILE) {
    workgroupBarrier();
    for (var n = tid; n < J * TILE / 4u; n += THREADS) {
      let j = n / (TILE / 4u);
      let row = tile + n % (TILE / 4u) * 4u;
      places[n] = vec4u(
        placeOf(row, rowEnd, r, g, firstJ, j), placeOf(row + 1u, rowEnd, r, g, firstJ, j),
        placeOf(row + 2u, rowEnd, r, g, firstJ, j), placeOf(row + 3u, rowEnd, r, g, firstJ, j));
    }
    workgroupBarrier();
    for (var start = part * ROWS; start < TILE && tile + start < rowEnd; start += PARTS * ROWS) {
      // The next rows are loaded while these are added.
      ahead = tile + start + PARTS * ROWS;
#for k < QUADS
      let from{k} = channel + rowStride * min(vec4u(ahead + {k}u * 4u) + vec4u(0u, 1u, 2u, 3u), vec4u(rowEnd - 1u));
      let d{k} = r * p.dOutputReplica + from{k};
      let next{k} = vec4f(dOutput[d{k}.x], dOutput[d{k}.y], dOutput[d{k}.z], dOutput[d{k}.w]);
      var nextGate{k} = vec4f();
      if (RELU) {
        let above{k} = r * p.outputReplica + from{k};
        nextGate{k} = vec4f(output[above{k}.x], output[above{k}.y], output[above{k}.z], output[above{k}.w]);
        x{k} = select(vec4f(), x{k}, gate{k} > vec4f());
      }
#end
      // Four windows of all j are read before one is written; if a token occurs twice the later sum builds on the earlier.
#for k < QUADS
      {
#for j < J
        let at{j} = mine + places[{j}u * (TILE / 4u) + start / 4u + {k}u];
        let old{j} = vec4f(sums[at{j}.x], sums[at{j}.y], sums[at{j}.z], sums[at{j}.w]);
#end
#for j < J
        let sumX{j} = old{j}.x + x{k}.x;
        let sumY{j} = select(old{j}.y, sumX{j}, at{j}.y == at{j}.x) + x{k}.y;
        let sumZ{j} = select(select(old{j}.z, sumX{j}, at{j}.z == at{j}.x), sumY{j}, at{j}.z == at{j}.y) + x{k}.z;
        let sumW{j} = select(select(select(
          old{j}.w, sumX{j}, at{j}.w == at{j}.x), sumY{j}, at{j}.w == at{j}.y), sumZ{j}, at{j}.w == at{j}.z) + x{k}.w;
        sums[at{j}.x] = sumX{j};
        sums[at{j}.y] = sumY{j};
        sums[at{j}.z] = sumZ{j};
        sums[at{j}.w] = sumW{j};
#end
      }
#end
#for k < QUADS
      x{k} = next{k};
      gate{k} = nextGate{k};
#end
    }
  }
  workgroupBarrier();

  // Parts are added into part 0, each thread handling slots part, part + PARTS, ...; its share of A is stored in the slot of
  // the ignored rows.
  for (var j = 0u; j < J; j++) {
    var share = 0.0;
    for (var slot = part; slot < NOTHING; slot += PARTS) {
      let at = (j * SLOTS + slot) * CHANNELS + lane;
      var sum = sums[at];
#for i < OTHERS
      sum += sums[({i}u + 1u) * PART + at];
#end
      sums[at] = sum;
      if (slot != MASKED) { share += sum; }
    }
    sums[mine + (j * SLOTS + NOTHING) * CHANNELS] = share;
  }
  workgroupBarrier();

  let c1 = inverseSqrt(1.0 - 1.0 / f32(SYMBOLS));
  let entries = p.filterSize * SYMBOLS;
  let whole = p.splits == 1u;
  let rows = select((split * p.replicas * groups + batchGroup) * entries, g * entries, whole);
  let to = select(0u, r * p.dWeightReplica, whole) + c;
  for (var j = 0u; j < J; j++) {
    var all = 0.0;
#for i < PARTS
    all += sums[{i}u * PART + (j * SLOTS + NOTHING) * CHANNELS + lane];
#end
    let mean = all / f32(SYMBOLS);
    let constant = sums[(j * SLOTS + MASKED) * CHANNELS + lane] * inverseSqrt(f32(SYMBOLS));
    for (var u = part; u < SYMBOLS; u += PARTS) {
      var y = sums[(j * SLOTS + u) * CHANNELS + lane];
      if (WHITENED) { y = fma(c1, y - mean, constant); }
      if (c < p.width && firstJ + j < p.filterSize) {
        dWeight[to + (rows + (firstJ + j) * SYMBOLS + u) * p.width] = y * p.scale;
      }
    }
  }
}
