// Gradient of RMS norm's weight over one range of rows, into [splits, R, C] for sumSplits.wgsl: sum of dOutput * input * inverse.
// One thread per channel, rows in ascending order, TOGETHER loaded at once (unrolledLoads in src/gpu/unroll.ts).

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let split = id.y;
  let r = id.z;
  if (c >= p.channels) { return; }
  var sum = 0.0;
  let end = min(p.rows, (split + 1u) * p.rowsPerSplit);
  for (var start = split * p.rowsPerSplit; start < end; start += TOGETHER) {
#for i < TOGETHER
    let row{i} = min(start + {i}u, end - 1u);
    let g{i} = dOutput[r * p.dOutputReplica + row{i} * p.channels + c];
    let n{i} = input[r * p.inputReplica + row{i} * p.channels + c] * inverse[r * p.inverseReplica + row{i}];
#end
#for i < TOGETHER
    if (start + {i}u < end) { sum += g{i} * n{i}; }
#end
  }
  dWeight[(split * p.replicas + r) * p.channels + c] = sum;
}
