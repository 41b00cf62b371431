// output[r, j] = (old +) scale * sum over rows i of input[r, i, j]. One thread owns one column of one range of rows and adds
// in ascending order, eight loads at once (#for: src/gpu/unroll.ts); with several ranges the partial sums [splits, R,
// columns] go to scratch, and a second run of this kernel over them (as `splits` rows) finishes.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let j = wid.x * 64u + tid;
  if (j >= p.columns) { return; }
  let split = wid.y;
  let r = wid.z;
  let first = split * p.rowsPerSplit;
  let last = min(p.rows, first + p.rowsPerSplit);
  var sum = 0.0;
  for (var row = first; row < last; row += 8u) {
#for i < 8
    let x{i} = input[r * p.inputReplica + min(row + {i}u, last - 1u) * p.inputRow + j];
#end
#for i < 8
    if (row + {i}u < last) { sum += x{i}; }
#end
  }
  if (p.splits > 1u) {
    output[(split * p.replicas + r) * p.columns + j] = sum;
    return;
  }
  let at = r * p.outputReplica + j;
  var y = p.scale * sum;
  if (p.accumulate == 1u) { y += output[at]; }
  output[at] = y;
}
