// Batched matmul for drivers that run on the CPU: no workgroup memory (which only costs time there), one thread owns 8 rows x 4
// columns of one C[r, g] and steps through K in unrolled blocks of 4: SwiftShader runs a loop over x[kk] 3 times slower.
@compute @workgroup_size(8, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let batch = id.z / p.splits;
  let split = id.z % p.splits;
  let i0 = id.y * 8u;
  let j0 = id.x * 4u;
  if (i0 >= p.m || j0 >= p.n) { return; }
  let r = batch / p.groups;
  let g = batch % p.groups;
  let baseA = p.aOffset + r * p.aReplica + g * p.aGroup;
  let baseB = p.bOffset + r * p.bReplica + g * p.bGroup;
  let kStart = split * p.kChunk;
  let kEnd = min(p.k, kStart + p.kChunk);
  var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f();
  var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
  for (var k0 = kStart; k0 < kEnd; k0 += 4u) {
    let x = fetchA(baseA, i0, k0, kEnd);
    let y = fetchA(baseA, i0 + 4u, k0, kEnd);
    let w = fetchB(baseB, k0, j0, kEnd);
    c0 = fma(vec4f(x[0].x), w[0], c0);
    c1 = fma(vec4f(x[0].y), w[0], c1);
    c2 = fma(vec4f(x[0].z), w[0], c2);
    c3 = fma(vec4f(x[0].w), w[0], c3);
    c4 = fma(vec4f(y[0].x), w[0], c4);
    c5 = fma(vec4f(y[0].y), w[0], c5);
    c6 = fma(vec4f(y[0].z), w[0], c6);
    c7 = fma(vec4f(y[0].w), w[0], c7);
    c0 = fma(vec4f(x[1].x), w[1], c0);
    c1 = fma(vec4f(x[1].y), w[1], c1);
    c2 = fma(vec4f(x[1].z), w[1], c2);
    c3 = fma(vec4f(x[1].w), w[1], c3);
    c4 = fma(vec4f(y[1].x), w[1], c4);
    c5 = fma(vec4f(y[1].y), w[1], c5);
    c6 = fma(vec4f(y[1].z), w[1], c6);
    c7 = fma(vec4f(y[1].w), w[1], c7);
    c0 = fma(vec4f(x[2].x), w[2], c0);
    c1 = fma(vec4f(x[2].y), w[2], c1);
    c2 = fma(vec4f(x[2].z), w[2], c2);
    c3 = fma(vec4f(x[2].w), w[2], c3);
    c4 = fma(vec4f(y[2].x), w[2], c4);
    c5 = fma(vec4f(y[2].y), w[2], c5);
    c6 = fma(vec4f(y[2].z), w[2], c6);
    c7 = fma(vec4f(y[2].w), w[2], c7);
    c0 = fma(vec4f(x[3].x), w[3], c0);
    c1 = fma(vec4f(x[3].y), w[3], c1);
    c2 = fma(vec4f(x[3].z), w[3], c2);
    c3 = fma(vec4f(x[3].w), w[3], c3);
    c4 = fma(vec4f(y[3].x), w[3], c4);
    c5 = fma(vec4f(y[3].y), w[3], c5);
    c6 = fma(vec4f(y[3].z), w[3], c6);
    c7 = fma(vec4f(y[3].w), w[3], c7);
  }
  finishOrSplit(batch, split, i0, j0, c0, besideUnlessSplit(r, g, i0, j0));
  finishOrSplit(batch, split, i0 + 1u, j0, c1, besideUnlessSplit(r, g, i0 + 1u, j0));
  finishOrSplit(batch, split, i0 + 2u, j0, c2, besideUnlessSplit(r, g, i0 + 2u, j0));
  finishOrSplit(batch, split, i0 + 3u, j0, c3, besideUnlessSplit(r, g, i0 + 3u, j0));
  finishOrSplit(batch, split, i0 + 4u, j0, c4, besideUnlessSplit(r, g, i0 + 4u, j0));
  finishOrSplit(batch, split, i0 + 5u, j0, c5, besideUnlessSplit(r, g, i0 + 5u, j0));
  finishOrSplit(batch, split, i0 + 6u, j0, c6, besideUnlessSplit(r, g, i0 + 6u, j0));
  finishOrSplit(batch, split, i0 + 7u, j0, c7, besideUnlessSplit(r, g, i0 + 7u, j0));
}
