// Shared by the layer norm kernels: a row of C channels is processed by `lanes` neighbouring threads (a power of 2), 64 / lanes
// rows per workgroup; sums over a row are a tree of fixed shape.
var<workgroup> lanesSum: array<vec2f, 64>;

// The sum over the lanes of a row, for every lane.
fn rowSum(tid: u32, lanes: u32, x: vec2f) -> vec2f {
  lanesSum[tid] = x;
  workgroupBarrier();
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    if (tid % lanes < half) { lanesSum[tid] += lanesSum[tid + half]; }
    workgroupBarrier();
  }
  let sum = lanesSum[tid - tid % lanes];
  workgroupBarrier();
  return sum;
}
