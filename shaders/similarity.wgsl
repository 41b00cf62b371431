// First of three: mean and inverse standard deviation over the batch of every unit of a and of b. One workgroup owns 32 units of
// one side, eight threads per unit that divide the sentences: stats[r, side, 0, j] = mean, stats[r, side, 1, j] = 1 / deviation,
// 0 for a constant unit.

const FLAT = 1e-10; // ratio of variance to squared mean below which the variation may be rounding
const UNITS = 32u;
const SHARES = 8u;

var<workgroup> sums: array<f32, UNITS * SHARES>;

fn at(side: u32, r: u32, i: u32) -> f32 {
  if (side == 0u) { return a[r * p.aReplica + i]; }
  return b[r * p.bReplica + i];
}

/// The sum over a unit's threads, given to all of them.
fn total(tid: u32, x: f32) -> f32 {
  workgroupBarrier(); // all have read the previous sum
  sums[tid] = x;
  for (var s = SHARES / 2u * UNITS; s >= UNITS; s /= 2u) {
    workgroupBarrier();
    if (tid < s) { sums[tid] += sums[tid + s]; }
  }
  workgroupBarrier();
  return sums[tid % UNITS];
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let j = wid.x * UNITS + tid % UNITS;
  let unit = min(j, p.units - 1u); // threads past the end repeat the last unit, so that all reach the barriers
  let side = wid.y;
  let r = wid.z;
  var sum = 0.0;
  for (var i = tid / UNITS; i < p.batch; i += SHARES) { sum += at(side, r, i * p.units + unit); }
  let mean = total(tid, sum) / f32(p.batch);
  var squares = 0.0;
  for (var i = tid / UNITS; i < p.batch; i += SHARES) {
    let d = at(side, r, i * p.units + unit) - mean;
    squares += d * d;
  }
  let variance = total(tid, squares) / f32(p.batch);
  if (tid >= UNITS || j >= p.units) { return; }
  let out = (r * 2u + side) * 2u * p.units + j;
  stats[out] = mean;
  stats[out + p.units] = select(0.0, inverseSqrt(variance), variance > FLAT * mean * mean + 1e-30);
}
