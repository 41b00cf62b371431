// Attention forward for drivers that run on the CPU (no workgroup memory, loops not unrolled: there the tiled kernel takes
// seconds to compile). One thread owns one query of one head: the largest score first, then the weighted sum.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  if (index >= p.replicas * p.batch * p.heads * p.queries) { return; }
  let row = index % p.queries;
  let w = Place(index / (p.queries * p.heads * p.batch), (index / (p.queries * p.heads)) % p.batch, (index / p.queries) % p.heads, 0u);
  let out = outIndex(w, row, w.head, 0u);
  let values = p.dim / LANES;
  var q: array<Value, 128u / LANES>;
  var acc: array<Value, 128u / LANES>;
  let qkvBase = w.r * p.qkvReplica;
  let own = qkvIndex(qkvBase, w.b, p.queryFirst + row, 0u, w.head, 0u);
  for (var d = 0u; d < values; d++) { q[d] = qkvAt(own, d); }
  let keyEnd = select(p.tokens, p.queryFirst + row + 1u, p.causal != 0u);
  var top = NEVER;
  for (var key = 0u; key < keyEnd; key++) {
    let k = qkvIndex(qkvBase, w.b, key, 1u, w.head, 0u);
    var s = Value();
    for (var d = 0u; d < values; d++) { s = fma(q[d], qkvAt(k, d), s); }
    top = max(top, total(s) * p.scale);
  }
  var sum = 0.0;
  for (var key = 0u; key < keyEnd; key++) {
    let k = qkvIndex(qkvBase, w.b, key, 1u, w.head, 0u);
    var s = Value();
    for (var d = 0u; d < values; d++) { s = fma(q[d], qkvAt(k, d), s); }
    let weight = exp(total(s) * p.scale - top);
    sum += weight;
    for (var d = 0u; d < values; d++) { acc[d] = fma(roundedOf(Value(weight), w.r), qkvAt(k + p.heads * p.dim, d), acc[d]); }
  }
  for (var d = 0u; d < values; d++) { storeAt(out, d, acc[d] / sum); }
  logsumexp[w.r * p.logsumexpReplica + rowIndex(w, row, w.head)] = top + log(sum);
}
