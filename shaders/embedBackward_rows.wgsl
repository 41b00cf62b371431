// Gradient of embed's weight as in embedBackward.wgsl, for drivers that run shaders on the CPU: a segmented sum over the
// windows, in a fixed order, without atomics.
//   dW[j, u] = c1 (sum over windows whose j-th token is u of x - A[j] / v) + v^-1/2 M[j],   x = scale * relu'(output) * dOutput
//   A[j] = sum over unmasked windows of x, M[j] = sum over masked ones; not whitened: dW[j, u] = sum of x.
// One thread owns one Value of channels (f32, or four as vec4f; width and strides count Values) of one j and processes one
// range of windows. Its sums are in dWeight, where each window is added to the row of its token: a CPU has no closer memory,
// and the token, which a workgroup shares, determines only an address. Ranges of windows are added by sumSplits.wgsl.
// Value is defined before this text.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let c = wid.x * 64u + tid;
  if (c >= p.width) { return; }
  let j = wid.y;
  let groups = select(1u, p.windows, p.local == 1u);
  let batchGroup = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batchGroup / groups;
  let g = batchGroup % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let rowEnd = min(rows, (split + 1u) * p.rowsPerSplit);
  // Of the sum for u = 0.
  let whole = p.splits == 1u;
  let entry = (select(split * p.replicas * groups + batchGroup, g, whole) * p.filterSize + j) * p.v;
  let to = select(0u, r * p.dWeightReplica, whole) + entry * p.width + c;

  for (var u = 0u; u < p.v; u++) { dWeight[to + u * p.width] = Value(); }
  var all = Value();
  var masked = Value();
  for (var row = split * p.rowsPerSplit; row < rowEnd; row++) {
    let b = row / PER_SENTENCE;
    let t = g + row % PER_SENTENCE;
    let at = i32(t * p.stride + j) - i32(p.padding);
    if (at >= 0 && at < i32(p.length)) {
      let place = (b * p.windows + t) * p.width + c;
      var x = dOutput[r * p.dOutputReplica + place];
      if (RELU) { x = select(Value(), x, output[r * p.outputReplica + place] > Value()); }
      if (WHITENED && at == p.masked) {
        masked += x;
      } else {
        all += x;
        let token = tokens[r * p.tokensReplica + b * p.tokenRow + p.firstToken + u32(at)];
        if (token < p.v) { dWeight[to + token * p.width] += x; }
      }
    }
  }

  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  let mean = all / f32(p.v);
  let constant = masked * inverseSqrt(f32(p.v));
  for (var u = 0u; u < p.v; u++) {
    var y = dWeight[to + u * p.width];
    if (WHITENED) { y = fma(Value(c1), y - mean, constant); }
    dWeight[to + u * p.width] = y * p.scale;
  }
}
