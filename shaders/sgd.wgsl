// SGD with momentum (and L2 weight decay): velocity = momentum velocity + grad + decay param;  param -= rate velocity
@group(0) @binding(5) var<storage, read_write> velocity: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 256u + tid;
  if (index >= p.quads * p.replicas) { return; }
  let r = index / p.quads;
  let i = r * p.stride + index % p.quads;
  let rate = pace[r * 4u];
  let momentum = hyper[r * 16u + 1u];
  let decay = hyper[r * 16u + 5u];
  var v = fma(vec4f(decay), params[i], grads[i]);
  if (momentum != 0.0) {
    v = fma(vec4f(momentum), velocity[i], v);
    velocity[i] = v;
  }
  params[i] = fma(vec4f(-rate), v, params[i]);
}
