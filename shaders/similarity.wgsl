// First of three: mean and inverse standard deviation over the batch of every unit of a and of b. One thread owns one unit of
// one side: stats[r, side, 0, j] = mean, stats[r, side, 1, j] = 1 / deviation, 0 for a unit that does not vary.
struct Params { batch: u32, units: u32, aReplica: u32, bReplica: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;

const FLAT = 1e-10; // variance over squared mean below which rounding may be all there is

fn at(side: u32, r: u32, i: u32) -> f32 {
  if (side == 0u) { return a[r * p.aReplica + i]; }
  return b[r * p.bReplica + i];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let j = wid.x * 64u + tid;
  if (j >= p.units) { return; }
  let side = wid.y;
  let r = wid.z;
  var sum = 0.0;
  for (var i = 0u; i < p.batch; i++) { sum += at(side, r, i * p.units + j); }
  let mean = sum / f32(p.batch);
  var squares = 0.0;
  for (var i = 0u; i < p.batch; i++) {
    let d = at(side, r, i * p.units + j) - mean;
    squares += d * d;
  }
  let variance = squares / f32(p.batch);
  let out = (r * 2u + side) * 2u * p.units + j;
  stats[out] = mean;
  stats[out + p.units] = select(0.0, inverseSqrt(variance), variance > FLAT * mean * mean + 1e-30);
}
