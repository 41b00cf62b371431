// Gradient of embed's weight: a segmented sum over the windows, in a fixed order, without atomics.
//   dW[j, u] = c1 (sum over windows whose j-th token is u of g - G[j] / v) + v^-1/2 M[j],   g = scale * relu'(output) * dOutput
//   G[j] = sum over unmasked windows of g, M[j] = sum over masked ones; plain: dW[j, u] = sum of g.
// One workgroup owns 64 channels, `filters` values of j with `symbols` values of u each, and one range of windows; one thread
// owns one channel, so its sums in workgroup memory are touched by nobody else. A slot past the symbols of each j takes the
// masked windows, one more those whose token lies outside the range of u. Windows are read eight at a time, so that the
// loads overlap. Ranges of windows are added by sumSplits.wgsl.
const SLOTS = 64u; // 16 KiB of workgroup memory
const ROWS = 8u;

struct Params {
  batch: u32, windows: u32, length: u32, width: u32,
  v: u32, filterSize: u32, stride: u32, padding: u32,
  firstToken: u32, tokenRow: u32, masked: i32, local: u32,
  tokenReplica: u32, outputReplica: u32, dOutputReplica: u32, dWeightReplica: u32,
  whitened: u32, relu: u32, scale: f32, rowsPerSplit: u32,
  splits: u32, replicas: u32, filters: u32, symbols: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> output: array<f32>;
@group(0) @binding(3) var<storage, read> dOutput: array<f32>;
@group(0) @binding(4) var<storage, read_write> dWeight: array<f32>; // or partial sums [splits, R * groups, filter * v, width]

var<workgroup> sums: array<f32, SLOTS * 64u>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let c = wid.x * 64u + tid;
  if (c >= p.width) { return; }
  let groups = select(1u, p.windows, p.local == 1u);
  let batchGroup = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batchGroup / groups;
  let g = batchGroup % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let perSentence = select(p.windows, 1u, p.local == 1u);
  let rowStart = split * p.rowsPerSplit;
  let rowEnd = min(rows, rowStart + p.rowsPerSplit);
  let ranges = (p.v + p.symbols - 1u) / p.symbols; // ranges of u that cover the vocabulary
  let j0 = (wid.y / ranges) * p.filters;
  let j1 = min(p.filterSize, j0 + p.filters);
  let u0 = (wid.y % ranges) * p.symbols;
  let slots = p.symbols + 2u;
  for (var e = 0u; e < SLOTS; e++) { sums[e * 64u + tid] = 0.0; }

  for (var row0 = rowStart; row0 < rowEnd; row0 += ROWS) {
    var x: array<f32, ROWS>;
    for (var i = 0u; i < ROWS; i++) {
      let row = min(row0 + i, rows - 1u);
      let source = ((row / perSentence) * p.windows + g + row % perSentence) * p.width + c;
      var value = dOutput[r * p.dOutputReplica + source] * p.scale;
      if (p.relu == 1u) { value = select(0.0, value, output[r * p.outputReplica + source] > 0.0); }
      x[i] = select(0.0, value, row0 + i < rowEnd);
    }
    for (var j = j0; j < j1; j++) {
      var slot: array<u32, ROWS>;
      for (var i = 0u; i < ROWS; i++) {
        let row = min(row0 + i, rows - 1u);
        let at = i32((g + row % perSentence) * p.stride + j) - i32(p.padding);
        let place = r * p.tokenReplica + (row / perSentence) * p.tokenRow + p.firstToken + u32(clamp(at, 0, i32(p.length) - 1));
        let u = tokens[place] - u0; // wraps far above for symbols below the range
        var s = select(p.symbols + 1u, u, u < p.symbols);
        if (p.whitened == 1u && at == p.masked) { s = p.symbols; }
        // Windows that reach past the sentence add nothing, to a slot of their own row's range.
        if (at < 0 || at >= i32(p.length)) { s = SLOTS; }
        slot[i] = s;
      }
      for (var i = 0u; i < ROWS; i++) {
        if (slot[i] < SLOTS) { sums[((j - j0) * slots + slot[i]) * 64u + tid] += x[i]; }
      }
    }
  }

  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  let entries = p.filterSize * p.v;
  for (var j = j0; j < j1; j++) {
    let base = (j - j0) * slots;
    var unmasked = sums[(base + p.symbols + 1u) * 64u + tid];
    for (var u = 0u; u < p.symbols; u++) { unmasked += sums[(base + u) * 64u + tid]; }
    let mean = unmasked / f32(p.v);
    let constant = sums[(base + p.symbols) * 64u + tid] * inverseSqrt(f32(p.v));
    for (var u = 0u; u < min(p.symbols, p.v - u0); u++) {
      var y = sums[(base + u) * 64u + tid];
      if (p.whitened == 1u) { y = fma(c1, y - mean, constant); }
      let e = j * p.v + u0 + u;
      if (p.splits == 1u) {
        dWeight[r * p.dWeightReplica + (g * entries + e) * p.width + c] = y;
      } else {
        dWeight[((split * p.replicas * groups + batchGroup) * entries + e) * p.width + c] = y;
      }
    }
  }
}
