// Shared by the attention gradients: probabilities from the saved logsumexp, and the locations of gradients.
fn probability(w: Place, row: u32, head: u32, key: u32, score: vec4f) -> vec4f {
  if (row >= p.queries || w.head + head >= p.heads) { return vec4f(0.0); }
  let lse = logsumexp[w.r * p.logsumexpReplica + rowIndex(w, row, w.head + head)];
  return select(vec4f(0.0), exp(score * p.scale - lse), visible(row, key));
}
fn put(w: Place, token: u32, third: u32, head: u32, quad: u32, value: vec4f) {
  let valid = columnsLeft(token < p.tokens, head, quad);
  if (valid > 0u) { storeResult(qkvIndex(w.r * p.dQkvReplica, w.b, token, third, head, quad), valid, value); }
}
fn putQuery(w: Place, row: u32, head: u32, quad: u32, value: vec4f) {
  if (row < p.queries) { put(w, p.queryFirst + row, 0u, head, quad, value); }
}
