// Second half of a split product: adds the partial sums [splits, R * G, M, N] (in `a`) in order and applies the epilogue.
// One thread owns 4 neighbouring columns of one row.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let row = (p.n + 3u) / 4u;
  let perBatch = p.m * row;
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let batch = index / perBatch;
  if (batch >= p.replicas * p.groups) { return; }
  let i = (index % perBatch) / row;
  let j = (index % row) * 4u;
  var sum = vec4f();
  for (var split = 0u; split < p.splits; split++) {
    sum += loadA((((split * p.replicas * p.groups + batch) * p.m + i) * row) * 4u + j, 4u);
  }
  let r = batch / p.groups;
  let g = batch % p.groups;
  finish(r, g, i, j, sum, beside(r, g, i, j));
}
