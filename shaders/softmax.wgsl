// output = softmax over the columns of each row of input, after subtracting the row's maximum. One thread owns one row: for short
// rows, such as weights over a few choices.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  if (index >= p.rows * p.replicas) { return; }
  let r = index / p.rows;
  let x = r * p.inputReplica + (index % p.rows) * p.columns;
  let y = r * p.outputReplica + (index % p.rows) * p.columns;
  var most = input[x];
  for (var j = 1u; j < p.columns; j++) { most = max(most, input[x + j]); }
  var sum = 0.0;
  for (var j = 0u; j < p.columns; j++) {
    let power = exp(input[x + j] - most);
    output[y + j] = power;
    sum += power;
  }
  for (var j = 0u; j < p.columns; j++) { output[y + j] /= sum; }
}
