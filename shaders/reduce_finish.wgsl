// Second half of reduce: adds the parts of one replica's ranges in order. One thread a replica (at most 256 ranges).
struct Params { replicas: u32, ranges: u32, sumsReplica: u32, countReplica: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> part: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>; // [R, 2]: sum, sum of squares
@group(0) @binding(3) var<storage, read_write> nonFinite: array<u32>; // [R, 1]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let r = id.x;
  if (r >= p.replicas) { return; }
  var total = vec2f();
  var bad = 0u;
  for (var i = 0u; i < p.ranges; i++) {
    let x = part[r * p.ranges + i];
    total += x.xy;
    bad += u32(x.z); // exact: a range has fewer than 2^24 elements
  }
  sums[r * p.sumsReplica] = total.x;
  sums[r * p.sumsReplica + 1u] = total.y;
  nonFinite[r * p.countReplica] = bad;
}
