// Second of three: the cosine of the standardised rows, rows[r, b]. One workgroup owns one row. 1 if neither row varies, 0 if
// only one of them does.

var<workgroup> sums: array<vec3f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let row = wid.x;
  let r = wid.y;
  let statsA = r * 4u * p.units;
  let statsB = statsA + 2u * p.units;
  var sum = vec3f(0.0); // a b, a a, b b
  for (var j = tid; j < p.units; j += 64u) {
    let x = (a[r * p.aReplica + row * p.units + j] - stats[statsA + j]) * stats[statsA + p.units + j];
    let y = (b[r * p.bReplica + row * p.units + j] - stats[statsB + j]) * stats[statsB + p.units + j];
    sum += vec3f(x * y, x * x, y * y);
  }
  sums[tid] = sum;
  for (var s = 32u; s > 0u; s /= 2u) {
    workgroupBarrier();
    if (tid < s) { sums[tid] += sums[tid + s]; }
  }
  if (tid == 0u) {
    let total = sums[0];
    var cosine = select(0.0, 1.0, total.y == 0.0 && total.z == 0.0);
    if (total.y > 0.0 && total.z > 0.0) { cosine = total.x / (sqrt(total.y) * sqrt(total.z)); }
    rows[r * p.batch + row] = cosine;
  }
}
