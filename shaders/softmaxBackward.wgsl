// Gradient of softmax's input: dInput = output * (dOutput - sum over the row of dOutput * output). One thread owns one row.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  if (index >= p.rows * p.replicas) { return; }
  let r = index / p.rows;
  let row = (index % p.rows) * p.columns;
  var sum = 0.0;
  for (var j = row; j < row + p.columns; j++) { sum = fma(output[r * p.outputReplica + j], dOutput[r * p.dOutputReplica + j], sum); }
  for (var j = row; j < row + p.columns; j++) {
    dInput[r * p.dInputReplica + j] = output[r * p.outputReplica + j] * (dOutput[r * p.dOutputReplica + j] - sum);
  }
}
