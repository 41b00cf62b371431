// Attention gradient for drivers that run on the CPU: one thread owns one position of one head, as a query (dQ) and as a
// key (dK, dV). delta [B, H, Tq] = sum of dOut * out. Formulas: attentionBackward.wgsl.
@group(0) @binding(4) var<storage, read> logsumexp: array<f32>;
@group(0) @binding(5) var<storage, read> delta: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  if (index >= p.replicas * p.batch * p.heads * p.tokens) { return; }
  let token = index % p.tokens;
  let w = Place(index / (p.tokens * p.heads * p.batch), (index / (p.tokens * p.heads)) % p.batch, (index / p.tokens) % p.heads, 0u);
  let quads = (p.dim + 3u) / 4u;
  let channels = p.heads * p.dim;
  let qkvRow = 3u * channels;
  let qkvFirst = qkvIndex(w.r * p.qkvReplica, w.b, 0u, 0u, w.head, 0u); // q of position 0; k and v follow
  let own = qkvFirst + token * qkvRow;
  let gradient = qkvIndex(w.r * p.dQkvReplica, w.b, token, 0u, w.head, 0u);
  let outFirst = outIndex(w, 0u, w.head, 0u);
  var x: array<vec4f, 32>; // this position's q, then k
  var y: array<vec4f, 32>; // its dOut, then v
  var a: array<vec4f, 32>; // dQ, then dK
  var b: array<vec4f, 32>; // dV
  // Round 0: this position as a query, against the keys it sees. Round 1: as a key, against the queries that see it.
  for (var round = 0u; round < 2u; round++) {
    let asKey = round == 1u;
    let row = select(p.queries, token - p.queryFirst, token >= p.queryFirst);
    var first = 0u;
    var end = p.tokens;
    if (asKey) {
      first = select(0u, max(token, p.queryFirst) - p.queryFirst, p.causal != 0u);
      end = p.queries;
    } else if (row == p.queries) {
      end = 0u;
    } else if (p.causal != 0u) {
      end = token + 1u;
    }
    for (var d = 0u; d < quads; d++) {
      x[d] = qkvAt(own + round * channels, d);
      y[d] = vec4f();
      if (asKey) { y[d] = qkvAt(own + 2u * channels, d); } else if (end > 0u) { y[d] = dOutAt(outFirst + row * channels, d); }
      a[d] = vec4f();
    }
    for (var other = first; other < end; other++) {
      // The partner of x in the score, and of y in dP.
      let partner = qkvFirst + select(other * qkvRow + channels, (p.queryFirst + other) * qkvRow, asKey);
      let dRow = outFirst + other * channels;
      var s = vec4f();
      var g = vec4f();
      for (var d = 0u; d < quads; d++) {
        s = fma(x[d], qkvAt(partner, d), s);
        if (asKey) { g = fma(y[d], dOutAt(dRow, d), g); } else { g = fma(y[d], qkvAt(partner + channels, d), g); }
      }
      let grad = dScore(w, select(row, other, asKey), s, g);
      for (var d = 0u; d < quads; d++) {
        a[d] = fma(vec4f(grad.y), qkvAt(partner, d), a[d]);
        if (asKey) { b[d] = fma(vec4f(grad.x), dOutAt(dRow, d), b[d]); }
      }
    }
    for (var d = 0u; d < quads; d++) { storeResult(gradient + round * channels + 4u * d, p.dim - 4u * d, a[d]); }
  }
  for (var d = 0u; d < quads; d++) { storeResult(gradient + 2u * channels + 4u * d, p.dim - 4u * d, b[d]); }
}

// P and dS of one pair, from the four partial sums of its score and of dP.
fn dScore(w: Place, row: u32, s: vec4f, g: vec4f) -> vec2f {
  let at = rowIndex(w, row, w.head);
  let weight = exp((s.x + s.y + s.z + s.w) * p.scale - logsumexp[w.r * p.lseReplica + at]);
  return vec2f(weight, weight * (g.x + g.y + g.z + g.w - delta[w.r * p.deltaReplica + at]) * p.scale);
}
