// Gradients of layer norm's weight and bias over one range of rows, into [splits, R, C] for sumSplits.wgsl:
//   dWeight = sum of dOutput * (input - mean) * inverse;  dBias = sum of dOutput.  One thread per channel, rows in ascending order,
// TOGETHER loaded at once (unrolledLoads in src/gpu/unroll.ts).

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let c = id.x;
  let split = id.y;
  let r = id.z;
  if (c >= p.channels) { return; }
  var sums = vec2f();
  let end = min(p.rows, (split + 1u) * p.rowsPerSplit);
  for (var start = split * p.rowsPerSplit; start < end; start += TOGETHER) {
#for i < TOGETHER
    let row{i} = min(start + {i}u, end - 1u);
    let g{i} = dOutput[r * p.dOutputReplica + row{i} * p.channels + c];
    let x{i} = input[r * p.inputReplica + row{i} * p.channels + c];
    let middle{i} = mean[r * p.meanReplica + row{i}];
    let scale{i} = inverse[r * p.inverseReplica + row{i}];
#end
#for i < TOGETHER
    if (start + {i}u < end) { sums += vec2f(g{i} * ((x{i} - middle{i}) * scale{i}), g{i}); }
#end
  }
  let at = (split * p.replicas + r) * p.channels + c;
  dWeight[at] = sums.x;
  dBias[at] = sums.y;
}
