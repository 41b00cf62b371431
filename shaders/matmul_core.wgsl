// Shared by the matmul kernels: the definition of a product, and the epilogue.
//   C[r, g] = epilogue(scale * opA(A[r, g]) x opB(B[r, g])),  opA: M x K, opB: K x N,  r < R replicas, g < G groups
//   epilogue(x) = mask(relu(x + bias)) + residual (+ old C);  mask(x) = x where the mask tensor is > 0, else 0
//   BIAS_INSIDE: scale * (the product + bias) in place of scale * (the product) + bias.
//   UPDATE: C -= rate * scale * (the product), a step of plain SGD; with the same bits as sgd.wgsl applied to the stored product.
//   SCALED: the product contains the loss factor; pace has its inverse, or 0 if the step is skipped.
// A_T: A is stored K x M instead of M x K. B_T: B is stored N x K instead of K x N.
// K is cut into `splits` x KG ranges; each is one ascending chain of fused multiply-adds and the ranges are added in order, so
// tile sizes never change the bits; only the number of ranges does.
override A_T = false;
override B_T = false;
override BIAS = false;
override BIAS_INSIDE = false;
override RELU = false;
override MASK = false;
override RESIDUAL = false;
override ACCUMULATE = false;
override UPDATE = false;
override SCALED = false;
override SPLIT = false; // p.splits > 1
override EXACT = false; // every tile is full: nothing to check

// Elements that may be read: all four if every tile is full.
fn room(valid: u32, inside: bool) -> u32 {
  if (EXACT) { return 4u; }
  return select(0u, valid, inside);
}

// What the epilogue reads besides the sum, if anything. A kernel reads it for many elements before it writes any: to the
// driver the buffers may overlap, so a read after a write would wait for it. The mask is kept as it is stored: converting it
// right after the load would wait for the load.
struct Beside { bias: vec4f, mask: MaskWords, residual: vec4f, old: vec4f }

fn beside(r: u32, g: u32, i: u32, j: u32) -> Beside {
  var x: Beside;
  if (!EXACT && (i >= p.m || j >= p.n)) { return x; }
  let valid = p.n - j;
  let inner = g * p.cGroup + i * p.cRow + j;
  if (BIAS) { x.bias = loadBias(r * p.biasReplica + g * p.biasGroup + j, valid); }
  if (MASK) { x.mask = loadMask(r * p.maskReplica + inner, valid); }
  if (RESIDUAL) { x.residual = loadResidual(r * p.residualReplica + inner, valid); }
  if (ACCUMULATE || UPDATE) { x.old = loadC(p.cOffset + r * p.cReplica + inner, valid); }
  return x;
}

// The condition is the uniform, not SPLIT: a driver that cannot decide it keeps these loads together. With SPLIT a step of 16
// replicas of hcnn at batch 1024 (f16) takes 3.0 ms on an H200 instead of 2.6.
fn besideUnlessSplit(r: u32, g: u32, i: u32, j: u32) -> Beside {
  var x: Beside;
  if (p.splits == 1u) { x = beside(r, g, i, j); }
  return x;
}

// Writes C[r, g, i, j .. j + 3]; sum is the product before its epilogue.
fn finish(r: u32, g: u32, i: u32, j: u32, sum: vec4f, extra: Beside) {
  if (!EXACT && (i >= p.m || j >= p.n)) { return; }
  let valid = p.n - j;
  var x = sum;
  if (BIAS && BIAS_INSIDE) { x += extra.bias; }
  x *= p.scale;
  if (BIAS && !BIAS_INSIDE) { x += extra.bias; }
  if (RELU) { x = max(x, vec4f(0.0)); }
  if (MASK) { x = select(vec4f(0.0), x, isPositive(extra.mask)); }
  if (RESIDUAL) { x += extra.residual; }
  if (ACCUMULATE) { x += extra.old; }
  if (UPDATE) {
    var unscale = 1.0;
    if (SCALED) { unscale = pace[r * PACE_WORDS + PACE_UNSCALE]; }
    if (unscale == 0.0) { return; }
    x = fma(vec4f(-pace[r * PACE_WORDS + PACE_RATE]), x * unscale, extra.old);
  }
  storeC(p.cOffset + r * p.cReplica + g * p.cGroup + i * p.cRow + j, valid, x);
}

// With several splits the sums go unchanged to scratch [splits, R * G, M, N] (row length padded to 4) for matmul_reduce.wgsl.
fn finishOrSplit(batch: u32, split: u32, i: u32, j: u32, sum: vec4f, extra: Beside) {
  if (!SPLIT) {
    finish(batch / p.groups, batch % p.groups, i, j, sum, extra);
    return;
  }
  if (!EXACT && (i >= p.m || j >= p.n)) { return; }
  let row = (p.n + 3u) & ~3u;
  let at = ((split * p.replicas * p.groups + batch) * p.m + i) * row + j;
  storeC(at, 4u, sum);
}
