// out[r, i] = a[r] out[r, i] + b[r] x[r, i] over flat blocks, or with relu its positive part; a term with weight 0 is not
// read, so that a NaN in it does not matter. One thread owns 4 neighbouring elements.

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let i = (wid.x + wid.y * count.x) * 256u + tid;
  if (i >= p.quads * p.replicas) { return; }
  var w = vec2f(p.a, p.b);
  if (p.useWeights == 1u) { w = weights[i / p.quads]; }
  var y = vec4f(0.0);
  if (w.x != 0.0) { y = w.x * out[i]; }
  if (w.y != 0.0) { y = fma(vec4f(w.y), x[i], y); }
  if (p.relu == 1u) { y = max(y, vec4f(0.0)); }
  out[i] = y;
}
