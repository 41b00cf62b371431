// Gradient of embed's weight: a segmented sum over the windows, in a fixed order, without atomics.
//   dW[j, u] = c1 (sum over windows whose j-th token is u of x - A[j] / v) + v^-1/2 M[j],   x = scale * relu'(output) * dOutput
//   A[j] = sum over unmasked windows of x, M[j] = sum over masked ones; plain: dW[j, u] = sum of x.
// One workgroup owns QUADS Values of channels (f32, or four as vec4f; width and strides count Values), TAPS values of j,
// SYMBOLS values of u and one range of windows. One thread owns one Value and every PARTS-th window of the range; its sums in
// workgroup memory are touched by nobody else until the end, when the parts are added in order. Two slots follow the symbols of
// each j: masked windows, and windows whose token lies outside the range of u. Windows are read ROWS at a time, so that the
// loads overlap. Ranges of windows are added by sumSplits.wgsl. Value, QUADS, PARTS, TAPS, SYMBOLS and ROWS are put in front
// of this text; #for is written out (src/gpu/unroll.ts).
// Overrides, because a division by a number known to the compiler costs a tenth of the other.
override PER_SENTENCE: u32; // windows of a sentence that belong to one filter: all, or 1 where each has its own
override WHITENED = false;
override RELU = false;
const THREADS = QUADS * PARTS;
const SLOTS = SYMBOLS + 2u;

struct Params {
  batch: u32, windows: u32, length: u32, width: u32,
  v: u32, filterSize: u32, stride: u32, padding: u32,
  firstToken: u32, tokenRow: u32, masked: i32, local: u32,
  tokenReplica: u32, outputReplica: u32, dOutputReplica: u32, dWeightReplica: u32,
  scale: f32, rowsPerSplit: u32, splits: u32, replicas: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> output: array<Value>;
@group(0) @binding(3) var<storage, read> dOutput: array<Value>;
@group(0) @binding(4) var<storage, read_write> dWeight: array<Value>; // or partial sums [splits, R * groups, filter * v, width]

var<workgroup> sums: array<Value, TAPS * SLOTS * THREADS>; // [TAPS, SLOTS, PARTS, QUADS], zero at the start as all of WGSL's

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let quad = tid % QUADS;
  let part = tid / QUADS;
  let c = wid.x * QUADS + quad;
  let channel = min(c, p.width - 1u);
  let groups = select(1u, p.windows, p.local == 1u);
  let batchGroup = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batchGroup / groups;
  let g = batchGroup % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let rowEnd = min(rows, (split + 1u) * p.rowsPerSplit);
  let ranges = (p.v + SYMBOLS - 1u) / SYMBOLS; // ranges of u that cover the vocabulary
  let firstTap = (wid.y / ranges) * TAPS;
  let taps = min(p.filterSize - firstTap, TAPS);
  let firstSymbol = (wid.y % ranges) * SYMBOLS;

  for (var start = split * p.rowsPerSplit + part; start < rowEnd; start += ROWS * PARTS) {
#for i < ROWS
    let row{i} = min(start + {i}u * PARTS, rows - 1u);
    let t{i} = g + row{i} % PER_SENTENCE;
    let words{i} = r * p.tokenReplica + (row{i} / PER_SENTENCE) * p.tokenRow + p.firstToken;
    let from{i} = ((row{i} / PER_SENTENCE) * p.windows + t{i}) * p.width + channel;
    var x{i} = dOutput[r * p.dOutputReplica + from{i}];
    if (RELU) { x{i} = select(Value(), x{i}, output[r * p.outputReplica + from{i}] > Value()); }
#end
    for (var j = 0u; j < taps; j++) {
#for i < ROWS
      let at{i} = i32(t{i} * p.stride + firstTap + j) - i32(p.padding);
      let u{i} = tokens[words{i} + u32(clamp(at{i}, 0, i32(p.length) - 1))] - firstSymbol; // wraps far above for symbols below the range
      let slot{i} = select(select(SYMBOLS + 1u, u{i}, u{i} < SYMBOLS), SYMBOLS, WHITENED && at{i} == p.masked);
#end
#for i < ROWS
      if (start + {i}u * PARTS < rowEnd && at{i} >= 0 && at{i} < i32(p.length)) {
        sums[(j * SLOTS + slot{i}) * THREADS + tid] += x{i};
      }
#end
    }
  }

  workgroupBarrier();
  for (var e = part; e < taps * SLOTS; e += PARTS) {
    var sum = Value();
    for (var k = 0u; k < PARTS; k++) { sum += sums[e * THREADS + k * QUADS + quad]; }
    sums[e * THREADS + quad] = sum;
  }
  workgroupBarrier();
  if (c >= p.width) { return; }
  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  let entries = p.filterSize * p.v;
  for (var e = part; e < taps * SYMBOLS; e += PARTS) {
    let j = e / SYMBOLS;
    let u = e % SYMBOLS;
    if (firstSymbol + u >= p.v) { continue; }
    let base = j * SLOTS * THREADS + quad;
    var y = sums[base + u * THREADS];
    if (WHITENED) {
      var all = sums[base + (SYMBOLS + 1u) * THREADS];
      for (var s = 0u; s < SYMBOLS; s++) { all += sums[base + s * THREADS]; }
      y = fma(Value(c1), y - all / f32(p.v), sums[base + SYMBOLS * THREADS] * inverseSqrt(f32(p.v)));
    }
    let entry = (firstTap + j) * p.v + firstSymbol + u;
    let row = select((split * p.replicas * groups + batchGroup) * entries + entry, g * entries + entry, p.splits == 1u);
    dWeight[select(0u, r * p.dWeightReplica, p.splits == 1u) + row * p.width + c] = y * p.scale;
  }
}
