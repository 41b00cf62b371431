// SGD with momentum (and L2 weight decay): velocity = momentum velocity + grad + decay param;  param -= rate velocity

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 256u + tid;
  if (index >= p.quads * p.replicas) { return; }
  let r = index / p.quads;
  if (leavesOut(r)) { return; }
  let i = r * p.stride + index % p.quads;
  let rate = pace[r * PACE_WORDS + PACE_RATE];
  let momentum = hyper[r * HYPER_WORDS + HYPER_MOMENTUM];
  let decay = hyper[r * HYPER_WORDS + HYPER_WEIGHT_DECAY];
  var v = fma(vec4f(decay), params[i], gradient(r, i));
  if (momentum != 0.0) {
    v = fma(vec4f(momentum), velocity[i], v);
    velocity[i] = v;
  }
  params[i] = fma(vec4f(-rate), v, params[i]);
}
