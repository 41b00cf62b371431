// Second half of reduce: adds the parts of one replica's ranges. One workgroup per replica: thread t adds ranges t, t + 256,
// ... in ascending order, then a tree of fixed shape. opaque: src/gpu/unroll.ts.

var<workgroup> partial: array<vec2f, 256>;
var<workgroup> bad: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let r = wid.x;
  var total = vec2f();
  var count = 0u;
  for (var i = tid; i < p.ranges; i += 256u) {
    let x = part[r * p.ranges + i];
    total += x.xy;
    count += u32(x.z); // exact: a range has fewer than 2^24 elements
  }
  partial[tid] = total;
  bad[tid] = count;
  workgroupBarrier();
  for (var half = opaque(128u); half > 0u; half /= 2u) {
    if (tid < half) {
      partial[tid] += partial[tid + half];
      bad[tid] += bad[tid + half];
    }
    workgroupBarrier();
  }
  if (tid != 0u) { return; }
  sums[r * p.sumsReplica] = partial[0].x;
  sums[r * p.sumsReplica + 1u] = partial[0].y;
  nonFinite[r * p.nonFiniteReplica] = bad[0];
}
