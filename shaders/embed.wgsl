// First layer on tokens, without ever forming the one-hot input:
//   output[r, b, t] = relu(scale * sum_j x(b, t*stride - padding + j) W[j] + position[t]),   W[j]: v x width
// with x(token u) = W row u (plain), or whitened: c1 (W[j,u] - S[j] / v) and, at the masked position, v^-1/2 S[j];
// c1 = (1 - 1/v)^-1/2, S[j] = sum_u W[j,u]. Exact, up to rounding.
// One thread owns one channel of up to ROWS windows and makes the column sums S once for all of them. Tokens are read
// before any weight and every load is unconditional, so that many are under way at once.
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
  let perSentence = select(p.windows, 1u, p.local == 1u); // windows of a sentence that this grid row walks over
  let w0 = r * p.weightReplica + g * p.filterSize * p.v * p.width + c;
  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  let row0 = wid.y * ROWS;
  var sums: array<f32, ROWS>;
  for (var i = 0u; i < ROWS; i++) { sums[i] = 0.0; }
  for (var j = 0u; j < p.filterSize; j++) {
    let wj = w0 + j * p.v * p.width;
    var token: array<u32, ROWS>;
    var kind: array<u32, ROWS>; // 0 outside, 1 a token, 2 the masked position
    for (var i = 0u; i < ROWS; i++) {
      let row = min(row0 + i, rows - 1u);
      let t = g + row % perSentence;
      let at = i32(t * p.stride + j) - i32(p.padding);
      let inside = at >= 0 && at < i32(p.length);
      kind[i] = select(0u, select(1u, 2u, p.whitened == 1u && at == p.masked), inside);
      let place = r * p.tokenReplica + (row / perSentence) * p.tokenRow + p.firstToken + u32(clamp(at, 0, i32(p.length) - 1));
      token[i] = tokens[place];
    }
    var columnSum = 0.0;
    if (p.whitened == 1u) {
      for (var u = 0u; u < p.v; u++) { columnSum += weight[wj + u * p.width]; }
    }
    let mean = columnSum / f32(p.v);
    let masked = columnSum * inverseSqrt(f32(p.v));
    for (var i = 0u; i < ROWS; i++) {
      let w = weight[wj + token[i] * p.width];
      let x = select(sums[i] + w, fma(c1, w - mean, sums[i]), p.whitened == 1u);
      sums[i] = select(select(sums[i], x, kind[i] == 1u), sums[i] + masked, kind[i] == 2u);
    }
  }
  for (var i = 0u; i < ROWS; i++) {
    let row = row0 + i;
    if (row < rows) {
      let b = row / perSentence;
      let t = g + row % perSentence;
      var y = sums[i] * p.scale;
      if (p.positionRows > 0u) { y += position[r * p.positionReplica + (t % p.positionRows) * p.width + c]; }
      if (p.relu == 1u) { y = max(y, 0.0); }
      output[r * p.outputReplica + (b * p.windows + t) * p.width + c] = y;
    }
  }
}
