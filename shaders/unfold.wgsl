// Windows of a sentence side by side (im2col): output[b, t, f C + c] = input[b, t stride + f - padding, c], zero outside.
// One thread per element of the output.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let elements = p.batch * p.windows * p.filterSize * p.channels;
  let r = index / elements;
  if (r >= p.replicas) { return; }
  let i = index % elements;
  let c = i % p.channels;
  let f = (i / p.channels) % p.filterSize;
  let t = (i / (p.channels * p.filterSize)) % p.windows;
  let b = i / (p.channels * p.filterSize * p.windows);
  let token = t * p.stride + f - p.padding; // wraps below 0, and is then past the end
  var x = 0.0;
  if (token < p.tokens) { x = input[r * p.inputReplica + (b * p.tokens + token) * p.channels + c]; }
  output[r * p.outputReplica + i] = x;
}
