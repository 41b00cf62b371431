// delta[r, b, h, q] = sum over the head's columns of dOut * out: the mean that softmax's gradient subtracts. One thread per
// (sentence, query, head), heads fastest.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  if (index >= p.rows * p.replicas) { return; }
  let r = index / p.rows;
  let row = index % p.rows;
  var sum = 0.0;
  for (var d = 0u; d < p.dim; d++) {
    sum = fma(out[r * p.outReplica + row * p.dim + d], dOut[r * p.dOutReplica + row * p.dim + d], sum);
  }
  let head = row % p.heads;
  let query = (row / p.heads) % p.queries;
  let b = row / (p.heads * p.queries);
  delta[r * p.deltaReplica + (b * p.heads + head) * p.queries + query] = sum;
}
