// Gradient of embed's weight: a segmented sum over the windows, in a fixed order, without atomics.
//   dW[j, u] = c1 (sum over windows whose j-th token is u of g - G[j] / v) + v^-1/2 M[j],   g = scale * relu'(output) * dOutput
//   G[j] = sum over unmasked windows of g, M[j] = sum over masked ones; plain: dW[j, u] = sum of g.
// One workgroup owns 64 channels, ENTRIES rows (j, u) of dW and one range of windows; one thread owns one channel, so its
// accumulators in workgroup memory are touched by nobody else. Ranges are added by embedBackward_reduce.wgsl.
const ENTRIES = 64u; // 16 KiB of workgroup memory

struct Params {
  batch: u32, windows: u32, length: u32, width: u32,
  v: u32, filterSize: u32, stride: u32, padding: u32,
  firstToken: u32, tokenRow: u32, masked: i32, local: u32,
  tokenReplica: u32, outputReplica: u32, dOutputReplica: u32, dWeightReplica: u32,
  whitened: u32, relu: u32, scale: f32, rowsPerSplit: u32,
  splits: u32, replicas: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> output: array<f32>;
@group(0) @binding(3) var<storage, read> dOutput: array<f32>;
@group(0) @binding(4) var<storage, read_write> dWeight: array<f32>; // or partial sums [splits, R * groups, filter * v, width]

var<workgroup> sums: array<f32, ENTRIES * 64u>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let c = wid.x * 64u + tid;
  let groups = select(1u, p.windows, p.local == 1u);
  let batchGroup = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batchGroup / groups;
  let g = batchGroup % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let rowStart = split * p.rowsPerSplit;
  let rowEnd = min(rows, rowStart + p.rowsPerSplit);
  let entries = p.filterSize * p.v;
  let first = wid.y * ENTRIES;
  let last = min(entries, first + ENTRIES); // exclusive
  if (c >= p.width) { return; }
  for (var e = 0u; e < ENTRIES; e++) { sums[e * 64u + tid] = 0.0; }
  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  for (var j = first / p.v; j * p.v < last; j++) {
    var unmasked = 0.0;
    var masked = 0.0;
    for (var row = rowStart; row < rowEnd; row++) {
      let b = select(row / p.windows, row, p.local == 1u);
      let t = select(row % p.windows, g, p.local == 1u);
      let at = i32(t * p.stride + j) - i32(p.padding);
      let inside = at >= 0 && at < i32(p.length);
      let source = (b * p.windows + t) * p.width + c;
      var x = dOutput[r * p.dOutputReplica + source] * p.scale;
      if (p.relu == 1u && !(output[r * p.outputReplica + source] > 0.0)) { x = 0.0; }
      if (inside) {
        if (p.whitened == 1u && at == p.masked) {
          masked += x;
        } else {
          unmasked += x;
          let e = j * p.v + tokens[r * p.tokenReplica + b * p.tokenRow + p.firstToken + u32(at)];
          if (e >= first && e < last) { sums[(e - first) * 64u + tid] += x; }
        }
      }
    }
    let mean = unmasked / f32(p.v);
    let constant = masked * inverseSqrt(f32(p.v));
    for (var e = max(first, j * p.v); e < min(last, (j + 1u) * p.v); e++) {
      var x = sums[(e - first) * 64u + tid];
      if (p.whitened == 1u) { x = fma(c1, x - mean, constant); }
      if (p.splits == 1u) {
        dWeight[r * p.dWeightReplica + (g * entries + e) * p.width + c] = x;
      } else {
        dWeight[((split * p.replicas * groups + batchGroup) * entries + e) * p.width + c] = x;
      }
    }
  }
}
