// AdamW (Loshchilov & Hutter 2019, as PyTorch computes it):
//   m += (1 - beta1)(g - m);  v += (1 - beta2)(g^2 - v);
//   param = param (1 - rate decay) - rate / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + epsilon)
@group(0) @binding(5) var<storage, read_write> moment1: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> moment2: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 256u + tid;
  if (index >= p.quads * p.replicas) { return; }
  let r = index / p.quads;
  let i = r * p.stride + index % p.quads;
  let h = r * 16u;
  let rate = pace[r * 4u];
  let correction1 = pace[r * 4u + 1u];
  let correction2 = pace[r * 4u + 2u];
  let g = grads[i];
  let m = fma(vec4f(hyper[h + 10u]), g - moment1[i], moment1[i]);
  let v = fma(vec4f(hyper[h + 11u]), g * g - moment2[i], moment2[i]);
  moment1[i] = m;
  moment2[i] = v;
  let denominator = sqrt(v / correction2) + hyper[h + 4u];
  let kept = fma(vec4f(-rate * hyper[h + 5u]), params[i], params[i]);
  params[i] = fma(vec4f(-rate / correction1), m / denominator, kept);
}
