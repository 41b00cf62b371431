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
  var x: array<vec4f, 32>; // this position's q, then k
  var y: array<vec4f, 32>; // its dOut, then v
  var a: array<vec4f, 32>; // dQ, then dK
  var b: array<vec4f, 32>; // dV
  if (token >= p.queryFirst) {
    let row = token - p.queryFirst;
    for (var d = 0u; d < quads; d++) {
      x[d] = qkvQuad(w, token, 0u, w.head, d);
      y[d] = dOutQuad(w, row, d);
    }
    let keyEnd = select(p.tokens, token + 1u, p.causal != 0u);
    for (var key = 0u; key < keyEnd; key++) {
      var s = vec4f();
      var g = vec4f();
      for (var d = 0u; d < quads; d++) {
        s = fma(x[d], qkvQuad(w, key, 1u, w.head, d), s);
        g = fma(y[d], qkvQuad(w, key, 2u, w.head, d), g);
      }
      let grad = dScore(w, row, s, g);
      for (var d = 0u; d < quads; d++) { a[d] = fma(vec4f(grad.y), qkvQuad(w, key, 1u, w.head, d), a[d]); }
    }
  }
  for (var d = 0u; d < quads; d++) {
    put(w, token, 0u, w.head, d, a[d]);
    a[d] = vec4f();
    x[d] = qkvQuad(w, token, 1u, w.head, d);
    y[d] = qkvQuad(w, token, 2u, w.head, d);
  }
  let first = select(0u, max(token, p.queryFirst) - p.queryFirst, p.causal != 0u);
  for (var row = first; row < p.queries; row++) {
    var s = vec4f();
    var g = vec4f();
    for (var d = 0u; d < quads; d++) {
      s = fma(x[d], qkvQuad(w, p.queryFirst + row, 0u, w.head, d), s);
      g = fma(y[d], dOutQuad(w, row, d), g);
    }
    let grad = dScore(w, row, s, g);
    for (var d = 0u; d < quads; d++) {
      a[d] = fma(vec4f(grad.y), qkvQuad(w, p.queryFirst + row, 0u, w.head, d), a[d]);
      b[d] = fma(vec4f(grad.x), dOutQuad(w, row, d), b[d]);
    }
  }
  for (var d = 0u; d < quads; d++) {
    put(w, token, 1u, w.head, d, a[d]);
    put(w, token, 2u, w.head, d, b[d]);
  }
}

fn dOutQuad(w: Place, row: u32, quad: u32) -> vec4f {
  return loadDOut(outIndex(w, row, w.head, quad), columnsLeft(true, w.head, quad));
}

// P and dS of one pair, from the four partial sums of its score and of dP.
fn dScore(w: Place, row: u32, s: vec4f, g: vec4f) -> vec2f {
  let at = rowIndex(w, row, w.head);
  let weight = exp((s.x + s.y + s.z + s.w) * p.scale - logsumexp[w.r * p.lseReplica + at]);
  return vec2f(weight, weight * (g.x + g.y + g.z + g.w - delta[w.r * p.deltaReplica + at]) * p.scale);
}
