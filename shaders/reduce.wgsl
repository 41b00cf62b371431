// Sums over a replica's row, first half: part (sum, sum of squares, count of values that are infinite or NaN) of one
// range of N elements. The count tests exponent bits: WGSL may assume that such values do not occur. One workgroup per
// (range, replica): thread t adds elements t, t + 256, ... in ascending order, eight loads in flight at once (#for, opaque:
// src/gpu/unroll.ts), then a tree of fixed shape. Second half: reduce_finish.wgsl.

var<workgroup> partial: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let first = wid.x * p.perRange;
  let end = min(p.elements, first + p.perRange);
  var sums = vec4f();
  let base = wid.y * p.inputReplica;
  for (var i = first + tid; i < end; i += 8u * 256u) {
#for j < 8
    let bits{j} = input[base + min(i + {j}u * 256u, end - 1u)];
#end
#for j < 8
    if (i + {j}u * 256u < end) {
      let x = bitcast<f32>(bits{j});
      sums += vec4f(x, x * x, select(0.0, 1.0, (bits{j} & 0x7f800000u) == 0x7f800000u), 0.0);
    }
#end
  }
  partial[tid] = sums;
  workgroupBarrier();
  for (var half = opaque(128u); half > 0u; half /= 2u) {
    if (tid < half) { partial[tid] += partial[tid + half]; }
    workgroupBarrier();
  }
  if (tid == 0u) { part[wid.y * p.ranges + wid.x] = partial[0]; }
}
