// Attention gradient for drivers that run on the CPU: one thread owns one position of one head, as a query (dQ) or, with KEYS,
// as a key (dK, dV). Two pipelines, since lavapipe takes 3 s to compile both in one. delta [B, H, Tq] = sum of dOut * out.
// Value, LANES: attention_vec4.wgsl. Formulas: attentionBackward.wgsl. KEYS is defined before this text.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  if (index >= p.replicas * p.batch * p.heads * p.tokens) { return; }
  let token = index % p.tokens;
  let w = Place(index / (p.tokens * p.heads * p.batch), (index / (p.tokens * p.heads)) % p.batch, (index / p.tokens) % p.heads, 0u);
  let values = p.dim / LANES;
  let channels = p.heads * p.dim;
  let qkvRow = 3u * channels;
  let qkvFirst = qkvIndex(w.r * p.qkvReplica, w.b, 0u, 0u, w.head, 0u); // q of position 0; k and v follow
  let own = qkvFirst + token * qkvRow;
  let gradient = qkvIndex(w.r * p.dQkvReplica, w.b, token, 0u, w.head, 0u);
  let outFirst = outIndex(w, 0u, w.head, 0u);
  var x: array<Value, 128u / LANES>; // this position's q, or k
  var y: array<Value, 128u / LANES>; // its dOut, or v
  var a: array<Value, 128u / LANES>; // dQ, or dK
  var b: array<Value, 128u / LANES>; // dV
  // As a query it visits the keys it sees, as a key the queries that see it.
  let row = select(p.queries, token - p.queryFirst, token >= p.queryFirst);
  var first = 0u;
  var end = p.tokens;
  if (KEYS) {
    first = select(0u, max(token, p.queryFirst) - p.queryFirst, p.causal != 0u);
    end = p.queries;
  } else if (row == p.queries) {
    end = 0u;
  } else if (p.causal != 0u) {
    end = token + 1u;
  }
  for (var d = 0u; d < values; d++) {
    if (KEYS) {
      x[d] = qkvAt(own + channels, d);
      y[d] = qkvAt(own + 2u * channels, d);
    } else {
      x[d] = qkvAt(own, d);
      y[d] = dOutAt(outFirst + min(row, p.queries - 1u) * channels, d);
    }
  }
  for (var other = first; other < end; other++) {
    // The partner of x in the score, and of y in dP.
    let partner = qkvFirst + select(other * qkvRow + channels, (p.queryFirst + other) * qkvRow, KEYS);
    let dRow = outFirst + other * channels;
    var s = Value();
    var g = Value();
    for (var d = 0u; d < values; d++) {
      s = fma(x[d], qkvAt(partner, d), s);
      if (KEYS) { g = fma(y[d], dOutAt(dRow, d), g); } else { g = fma(y[d], qkvAt(partner + channels, d), g); }
    }
    let grad = dScore(w, select(row, other, KEYS), total(s), total(g));
    for (var d = 0u; d < values; d++) {
      a[d] = fma(roundedOf(Value(grad.y), w.r), qkvAt(partner, d), a[d]);
      if (KEYS) { b[d] = fma(roundedOf(Value(grad.x), w.r), dOutAt(dRow, d), b[d]); }
    }
  }
  for (var d = 0u; d < values; d++) {
    storeAt(gradient + select(0u, channels, KEYS), d, a[d]);
    if (KEYS) { storeAt(gradient + 2u * channels, d, b[d]); }
  }
}

// P and dS of one pair, from its score and dP.
fn dScore(w: Place, row: u32, s: f32, g: f32) -> vec2f {
  let at = rowIndex(w, row, w.head);
  let weight = exp(s * p.scale - logsumexp[w.r * p.logsumexpReplica + at]);
  return vec2f(weight, weight * (g - delta[w.r * p.deltaReplica + at]) * p.scale);
}
