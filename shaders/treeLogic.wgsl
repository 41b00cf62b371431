// Violations of the logic of a grammar by the probabilities p of its hidden symbols: sum_a p_a (1 - Q_a), sum_a Q_a (1 - p_a) and
// sum_(a<b) p_a p_b of each node, Q_a = sum over the rules of a of the product of its children's p; and the gradient of their weighted
// means. One thread owns one node: its violations, and its row of the gradient, to which the node above also contributes.
override GRADIENT = true;
override SCALED = false; // dProbabilities is multiplied by the replica's factor 2^(exponent - 127)

// The product, over the children from `child` on, of the probabilities of a tuple's symbols, excluding slot `left`.
fn product(child: u32, symbols: u32, left: u32) -> f32 {
  var x = 1.0;
  for (var i = 0u; i < p.s; i++) {
    if (i != left) { x *= probabilities[child + i * p.classes + grammar[symbols + i]]; }
  }
  return x;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) tid: u32) {
  let index = (wid.x + wid.y * count.x) * 64u + tid;
  let rows = p.batch * p.nodes;
  if (index >= rows * p.replicas) { return; }
  let r = index / rows;
  let node = index % p.nodes;
  let sentence = r * p.probabilitiesReplica + (index % rows / p.nodes) * p.nodes * p.classes;
  let own = sentence + node * p.classes;
  let image = r * p.grammarReplica;
  let m = grammar[image + HEADER_M];

  var depth = 0u;
  var first = 0u;
  var nodes = 1u;
  while (node >= first + nodes) {
    first += nodes;
    nodes *= p.s;
    depth++;
  }

  var factor = 1.0;
  if (SCALED) { factor = bitcast<f32>(scaling[r * SCALING_WORDS + SCALING_EXPONENT] << 23u); }
  let each = factor / f32(rows);
  let inner = factor / f32(p.batch * max((p.nodes - 1u) / p.s, 1u));
  let d = r * p.dProbabilitiesReplica + index % rows * p.classes;

  var whole = 0.0;
  for (var a = 0u; a < p.classes; a++) { whole += probabilities[own + a]; }
  var pairs = 0.0;
  for (var a = 0u; a < p.classes; a++) {
    let others = whole - probabilities[own + a];
    pairs += probabilities[own + a] * others;
    if (GRADIENT) { dProbabilities[d + a] = p.exclusive * each * others; }
  }

  var implied = vec2f(0.0);
  if (depth + 1u < p.L) {
    let record = image + HEADER_DEPTHS + depth * DEPTH_WORDS;
    let rules = image + grammar[record + DEPTH_RULES];
    let child = sentence + (first + nodes + (node - first) * p.s) * p.classes;
    for (var a = 0u; a < p.classes; a++) {
      var q = 0.0;
      if (a < grammar[record + DEPTH_PARENTS]) {
        for (var k = 0u; k < m; k++) { q += product(child, rules + (a * m + k) * p.s, p.s); }
      }
      let here = probabilities[own + a];
      implied += vec2f(here * (1.0 - q), q * (1.0 - here));
      if (GRADIENT) { dProbabilities[d + a] += inner * (p.parent * (1.0 - q) - p.tuple * q); }
    }
  }
  let to = r * p.violationsReplica + index % rows * 3u;
  violations[to] = implied.x;
  violations[to + 1u] = implied.y;
  violations[to + 2u] = 0.5 * pairs;

  if (GRADIENT && depth > 0u) {
    let place = node - first;
    let slot = place % p.s;
    let aboves = nodes / p.s;
    let above = sentence + (first - aboves + place / p.s) * p.classes;
    let child = own - slot * p.classes;
    let record = image + HEADER_DEPTHS + (depth - 1u) * DEPTH_WORDS;
    let rules = image + grammar[record + DEPTH_RULES];
    for (var a = 0u; a < grammar[record + DEPTH_PARENTS]; a++) {
      let here = probabilities[above + a];
      let weight = inner * (p.tuple * (1.0 - here) - p.parent * here);
      for (var k = 0u; k < m; k++) {
        let symbols = rules + (a * m + k) * p.s;
        dProbabilities[d + grammar[symbols + slot]] += weight * product(child, symbols, slot);
      }
    }
  }
}
