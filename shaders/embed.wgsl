// First layer on tokens, without ever forming the one-hot input:
//   output[r, b, t] = relu(scale * sum_j x(b, t*stride - padding + j) W[j] + position[t]),   W[j]: v x width
// or, with POSITION_INSIDE, relu(scale * (the sum + position[t]))
// with x(token u) = W row u, or whitened: c1 (W[j,u] - S[j] / v) and, at the masked position, v^-1/2 S[j];
// c1 = (1 - 1/v)^-1/2, S[j] = sum_u W[j,u]. Exact, up to rounding.
// One thread owns one Value of channels (f32, or four as vec4f; width and strides count Values) of up to ROWS windows and
// computes the column sums S once for all of them. Tokens are read before any weight and every load is unconditional, so that
// many are in flight at once, TOGETHER of them per column. Value, ROWS and TOGETHER are defined before this text; #for is
// unrolled (src/gpu/unroll.ts).
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let c = wid.x * 64u + tid;
  if (c >= p.width) { return; }
  // Grid z: replicas, times windows if every window has its own filter.
  let groups = select(1u, p.windows, p.local == 1u);
  let r = wid.z / groups;
  let g = wid.z % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let filters = r * p.weightReplica + g * p.filterSize * p.v * p.width + c;
  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  let start = wid.y * ROWS;
#for i < ROWS
  let b{i} = min(start + {i}u, rows - 1u) / PER_SENTENCE;
  let t{i} = g + min(start + {i}u, rows - 1u) % PER_SENTENCE;
  var sum{i} = Value();
#end
  for (var j = 0u; j < p.filterSize; j++) {
    let wj = filters + j * p.v * p.width;
#for i < ROWS
    let at{i} = i32(t{i} * p.stride + j) - i32(p.padding);
    let token{i} = tokens[r * p.tokensReplica + b{i} * p.tokenRow + p.firstToken + u32(clamp(at{i}, 0, i32(p.length) - 1))];
#end
    var columnSum = Value();
    if (WHITENED) {
      for (var u0 = 0u; u0 < p.v; u0 += TOGETHER) {
#for i < TOGETHER
        let part{i} = weight[wj + min(u0 + {i}u, p.v - 1u) * p.width];
#end
#for i < TOGETHER
        if (u0 + {i}u < p.v) { columnSum += part{i}; }
#end
      }
    }
    let mean = columnSum / f32(p.v);
    let masked = columnSum * inverseSqrt(f32(p.v));
#for i < ROWS
    let w{i} = weight[wj + token{i} * p.width];
#end
#for i < ROWS
    if (at{i} >= 0 && at{i} < i32(p.length)) { // else outside the sentence
      if (WHITENED) {
        sum{i} = select(fma(Value(c1), w{i} - mean, sum{i}), sum{i} + masked, at{i} == p.masked);
      } else {
        sum{i} += w{i};
      }
    }
#end
  }
  // All reads before the first write, which they would otherwise have to wait for.
#for i < ROWS
  if (p.positionRows > 0u && POSITION_INSIDE) { sum{i} += position[r * p.positionReplica + (t{i} % p.positionRows) * p.width + c]; }
  sum{i} *= p.scale;
  if (p.positionRows > 0u && !POSITION_INSIDE) { sum{i} += position[r * p.positionReplica + (t{i} % p.positionRows) * p.width + c]; }
  if (RELU) { sum{i} = max(sum{i}, Value()); }
#end
#for i < ROWS
  if (start + {i}u < rows) { output[r * p.outputReplica + (b{i} * p.windows + t{i}) * p.width + c] = sum{i}; }
#end
}
