// Lion (Chen et al. 2023, arXiv:2302.06675):
//   update = sign(beta1 m + (1 - beta1) g);  param = param (1 - rate decay) - rate update;  m += (1 - beta2)(g - m)
// The sign is computed by comparisons: 0 at 0 and for NaN.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 256u + tid;
  if (index >= p.quads * p.replicas) { return; }
  let r = index / p.quads;
  if (leavesOut(r)) { return; }
  let i = r * p.stride + index % p.quads;
  let h = r * HYPER_WORDS;
  let rate = pace[r * PACE_WORDS + PACE_RATE];
  let m = moment[i];
  let change = gradient(r, i) - m;
  let direction = fma(vec4f(hyper[h + HYPER_ONE_MINUS_BETA1]), change, m);
  moment[i] = fma(vec4f(hyper[h + HYPER_ONE_MINUS_BETA2]), change, m);
  let update = vec4f(direction > vec4f()) - vec4f(direction < vec4f());
  let kept = fma(vec4f(-rate * hyper[h + HYPER_WEIGHT_DECAY]), params[i], params[i]);
  params[i] = fma(vec4f(-rate), update, kept);
}
