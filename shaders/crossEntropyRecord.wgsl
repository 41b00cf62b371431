// Second half of a cross-entropy over many rows: one workgroup per replica adds the partial sums [R, blocks, 2] and writes the
// means to record[r, clock % ring]. TOGETHER loads are in flight at once (unrolledLoads in src/gpu/unroll.ts, which also
// unrolls #for).

const THREADS = 256u;
var<workgroup> sums: array<vec2f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let r = wid.x;
  var sum = vec2f(0.0);
  for (var i = tid; i < p.blocks; i += TOGETHER * THREADS) {
#for j < TOGETHER
    let x{j} = partial[r * p.blocks + min(i + {j}u * THREADS, p.blocks - 1u)];
#end
#for j < TOGETHER
    if (i + {j}u * THREADS < p.blocks) { sum += x{j}; }
#end
  }
  sums[tid] = sum;
  for (var s = opaque(THREADS / 2u); s > 0u; s /= 2u) {
    workgroupBarrier();
    if (tid < s) { sums[tid] += sums[tid + s]; }
  }
  if (tid == 0u) {
    let slot = r * p.recordReplica + (clock[r * p.clockReplica + p.clockWord] % p.ring) * 2u;
    record[slot] = sums[0].x / f32(p.terms);
    record[slot + 1u] = sums[0].y / f32(p.terms);
  }
}
