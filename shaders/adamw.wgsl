// AdamW (Loshchilov & Hutter 2019, as PyTorch computes it):
//   m += (1 - beta1)(g - m);  v += (1 - beta2)(g^2 - v);
//   param = param (1 - rate decay) - rate / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 256u + tid;
  if (index >= p.quads * p.replicas) { return; }
  let r = index / p.quads;
  if (leavesOut(r)) { return; }
  let i = r * p.stride + index % p.quads;
  let h = r * HYPER_WORDS;
  let rate = pace[r * PACE_WORDS + PACE_RATE];
  let correction1 = pace[r * PACE_WORDS + PACE_CORRECTION1];
  let correction2 = pace[r * PACE_WORDS + PACE_CORRECTION2];
  let g = gradient(r, i);
  let m = fma(vec4f(hyper[h + HYPER_ONE_MINUS_BETA1]), g - moment1[i], moment1[i]);
  let v = fma(vec4f(hyper[h + HYPER_ONE_MINUS_BETA2]), g * g - moment2[i], moment2[i]);
  moment1[i] = m;
  moment2[i] = v;
  let denominator = sqrt(v / correction2) + hyper[h + HYPER_EPSILON];
  let kept = fma(vec4f(-rate * hyper[h + HYPER_WEIGHT_DECAY]), params[i], params[i]);
  params[i] = fma(vec4f(-rate / correction1), m / denominator, kept);
}
