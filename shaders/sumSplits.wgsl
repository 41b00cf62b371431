// Second half of split sums: output[r, i] = (accumulate: output +) sum over splits of partial[split, r, i], in order,
// eight loaded at once (#for: src/gpu/unroll.ts). One thread per element.
// UPDATE: output -= rate * sum, a step of plain SGD, with the same bits as in sgd.wgsl; SCALED as in optimiser_core.wgsl.
override UPDATE = false;
override SCALED = false;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  if (index >= p.elements * p.replicas) { return; }
  var sum = 0.0;
  for (var split = 0u; split < p.splits; split += 8u) {
#for i < 8
    let x{i} = partial[min(split + {i}u, p.splits - 1u) * p.elements * p.replicas + index];
#end
#for i < 8
    if (split + {i}u < p.splits) { sum += x{i}; }
#end
  }
  let r = index / p.elements;
  let at = r * p.outputReplica + index % p.elements;
  if (p.accumulate != 0u) { sum += output[at]; }
  if (SCALED) {
    let unscale = pace[r * PACE_WORDS + PACE_UNSCALE];
    if (unscale == 0.0) { return; }
    sum *= unscale;
  }
  if (UPDATE) { sum = fma(-pace[r * PACE_WORDS + PACE_RATE], sum, output[at]); }
  output[at] = sum;
}
