// First layer on tokens, without ever forming the one-hot input:
//   output[r, b, t] = relu(scale * sum_j x(b, t*stride - padding + j) W[j] + position[t]),   W[j]: v x width
// with x(token u) = W row u (plain), or whitened: c1 (W[j,u] - S[j] / v) and, at the masked position, v^-1/2 S[j];
// c1 = (1 - 1/v)^-1/2, S[j] = sum_u W[j,u]. Exact, up to rounding.
// One thread owns one channel of up to ROWS windows; the workgroup's column sums S are made once and kept in registers.
const ROWS = 16u;

struct Params {
  batch: u32, windows: u32, length: u32, width: u32,
  v: u32, filterSize: u32, stride: u32, padding: u32,
  firstToken: u32, tokenRow: u32, masked: i32, local: u32,
  tokenReplica: u32, weightReplica: u32, positionReplica: u32, outputReplica: u32,
  whitened: u32, positionRows: u32, relu: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> position: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let c = wid.x * 64u + tid;
  if (c >= p.width) { return; }
  // Grid z: replicas, times windows where every window has its own filter.
  let groups = select(1u, p.windows, p.local == 1u);
  let r = wid.z / groups;
  let g = wid.z % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let w0 = r * p.weightReplica + g * p.filterSize * p.v * p.width + c;
  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  let row0 = wid.y * ROWS;
  var sums: array<f32, ROWS>;
  for (var i = 0u; i < ROWS; i++) { sums[i] = 0.0; }
  for (var j = 0u; j < p.filterSize; j++) {
    let wj = w0 + j * p.v * p.width;
    var columnSum = 0.0;
    if (p.whitened == 1u) {
      for (var u = 0u; u < p.v; u++) { columnSum += weight[wj + u * p.width]; }
    }
    let mean = columnSum / f32(p.v);
    let masked = columnSum * inverseSqrt(f32(p.v));
    for (var i = 0u; i < ROWS; i++) {
      let row = row0 + i;
      if (row < rows) {
        let b = select(row / p.windows, row, p.local == 1u);
        let t = select(row % p.windows, g, p.local == 1u);
        let at = i32(t * p.stride + j) - i32(p.padding);
        if (at >= 0 && at < i32(p.length)) {
          if (p.whitened == 0u) {
            let u = tokens[r * p.tokenReplica + b * p.tokenRow + p.firstToken + u32(at)];
            sums[i] += weight[wj + u * p.width];
          } else if (at == p.masked) {
            sums[i] += masked;
          } else {
            let u = tokens[r * p.tokenReplica + b * p.tokenRow + p.firstToken + u32(at)];
            sums[i] = fma(c1, weight[wj + u * p.width] - mean, sums[i]);
          }
        }
      }
    }
  }
  for (var i = 0u; i < ROWS; i++) {
    let row = row0 + i;
    if (row >= rows) { break; }
    let b = select(row / p.windows, row, p.local == 1u);
    let t = select(row % p.windows, g, p.local == 1u);
    var y = sums[i] * p.scale;
    if (p.positionRows > 0u) { y += position[r * p.positionReplica + (t % p.positionRows) * p.width + c]; }
    if (p.relu == 1u) { y = max(y, 0.0); }
    output[r * p.outputReplica + (b * p.windows + t) * p.width + c] = y;
  }
}
