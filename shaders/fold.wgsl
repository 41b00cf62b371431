// Transpose of unfold, as a gather: output[b, token, c] = (output +) sum over f of input[b, t, f C + c] for the windows t with
// t stride + f - padding = token, f in ascending order. One thread per element of the output.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let elements = p.batch * p.tokens * p.channels;
  let r = index / elements;
  if (r >= p.replicas) { return; }
  let i = index % elements;
  let c = i % p.channels;
  let place = (i / p.channels) % p.tokens + p.padding;
  let b = i / (p.channels * p.tokens);
  var sum = 0.0;
  for (var f = 0u; f < min(p.filterSize, place + 1u); f++) {
    let t = (place - f) / p.stride;
    if ((place - f) % p.stride == 0u && t < p.windows) {
      sum += input[r * p.inputReplica + ((b * p.windows + t) * p.filterSize + f) * p.channels + c];
    }
  }
  let at = r * p.outputReplica + i;
  if (p.accumulate != 0u) { sum += output[at]; }
  output[at] = sum;
}
