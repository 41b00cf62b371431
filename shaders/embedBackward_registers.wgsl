// Gradient of embed's weight as in embedBackward.wgsl, for sums that do not fit in workgroup memory: a segmented sum over the
// windows, in a fixed order, without atomics.
//   dW[j, u] = c1 (sum over windows whose j-th token is u of x - A[j] / v) + v^-1/2 M[j],   x = scale * relu'(output) * dOutput
//   A[j] = sum over unmasked windows of x, M[j] = sum over masked ones; not whitened: dW[j, u] = sum of x.
// A product with the one-hot rows, made in registers: one workgroup owns QUADS Values of channels (f32, or four as vec4f;
// width and strides count Values), one j, SPANS * 2 PAIRS values of u and one range of windows. One thread owns one Value of
// 2 PAIRS values of u, and every PARTS-th window of the range, ROWS at a time so that the loads overlap; the parts are added
// in workgroup memory by halves. Ranges of windows are added by sumSplits.wgsl. Value, QUADS, SPANS, PAIRS, ROWS and PARTS (a
// power of two > 1) and opaque are defined before this text; #for is unrolled (src/gpu/unroll.ts).
const GROUP = QUADS * SPANS;
const THREADS = GROUP * PARTS;

var<workgroup> partial: array<Value, 2u * THREADS>;

// Adds the parts of both halves of `partial` by halves; all threads call it.
fn meet(tid: u32, part: u32) {
  for (var half = PARTS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (part < half) {
      partial[tid] += partial[tid + half * GROUP];
      partial[THREADS + tid] += partial[THREADS + tid + half * GROUP];
    }
  }
  workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let c = wid.x * QUADS + tid % QUADS;
  let part = tid / GROUP;
  let groups = select(1u, p.windows, p.local == 1u);
  let batchGroup = wid.z / p.splits;
  let split = wid.z % p.splits;
  let r = batchGroup / groups;
  let g = batchGroup % groups;
  let rows = select(p.batch * p.windows, p.batch, p.local == 1u);
  let rowEnd = min(rows, (split + 1u) * p.rowsPerSplit);
  let ranges = (p.v + SPANS * PAIRS * 2u - 1u) / (SPANS * PAIRS * 2u); // ranges of u that cover the vocabulary
  let j = wid.y / ranges;
  let u0 = ((wid.y % ranges) * SPANS + (tid / QUADS) % SPANS) * PAIRS * 2u;
  let channel = min(c, p.width - 1u);

  var all = Value();
  var masked = Value();
#for s < PAIRS_AND_SPARE, h < 2
  var sum{s}_{h} = Value();
#end
  for (var start = split * p.rowsPerSplit + part; start < rowEnd; start += ROWS * PARTS) {
#for i < ROWS
    let row{i} = min(start + {i}u * PARTS, rows - 1u);
    let from{i} = ((row{i} / PER_SENTENCE) * p.windows + g + row{i} % PER_SENTENCE) * p.width + channel;
    let at{i} = i32((g + row{i} % PER_SENTENCE) * p.stride + j) - i32(p.padding);
    let token{i} = tokens[
      r * p.tokensReplica + (row{i} / PER_SENTENCE) * p.tokenRow + p.firstToken + u32(clamp(at{i}, 0, i32(p.length) - 1))];
    var x{i} = dOutput[r * p.dOutputReplica + from{i}];
    if (RELU) { x{i} = select(Value(), x{i}, output[r * p.outputReplica + from{i}] > Value()); }
#end
// With selects instead of these ifs SwiftShader takes minutes to compile.
#for i < ROWS
    if (start + {i}u * PARTS < rowEnd && at{i} >= 0 && at{i} < i32(p.length)) {
      if (WHITENED && at{i} == p.masked) {
        masked += x{i};
      } else {
        all += x{i};
#for s < PAIRS, h < 2
        if (token{i} == u0 + {s}u * 2u + {h}u) { sum{s}_{h} += x{i}; }
#end
      }
    }
#end
  }

  let c1 = inverseSqrt(1.0 - 1.0 / f32(p.v));
  let entries = p.filterSize * p.v;
  // Parts are added two sums at a time; first A and M, which all need. Every pair uses the same lines, after which the others
  // move up: lavapipe takes half a second to compile each copy.
  var first = all;
  var second = masked;
  var mean = Value();
  var constant = Value();
  for (var pair = 0u; pair < opaque(PAIRS + 1u); pair++) {
    workgroupBarrier();
    partial[tid] = first;
    partial[THREADS + tid] = second;
    meet(tid, part);
    let u = u0 + pair * 2u + part - 2u;
    if (pair == 0u) {
      mean = partial[tid % GROUP] / f32(p.v);
      constant = partial[THREADS + tid % GROUP] * inverseSqrt(f32(p.v));
    } else if (part < 2u && c < p.width && u < p.v) {
      var y = partial[part * THREADS + tid % GROUP];
      if (WHITENED) { y = fma(Value(c1), y - mean, constant); }
      let entry = j * p.v + u;
      let row = select((split * p.replicas * groups + batchGroup) * entries + entry, g * entries + entry, p.splits == 1u);
      dWeight[select(0u, r * p.dWeightReplica, p.splits == 1u) + row * p.width + c] = y * p.scale;
    }
#for s < 1
    first = sum{s}_0;
    second = sum{s}_1;
#end
#for s < PAIRS, h < 2
    sum{s}_{h} = sum{s+1}_{h};
#end
  }
}
