// Softmax cross-entropy of rows of logits, forward and backward in one pass, with accuracy:
//   loss = max - z[t] + log sum exp(z - max);   dLogits = (softmax - onehot(t)) / rows
// LANES neighbouring threads share a row; a workgroup processes rowsPerGroup rows per lane group.
override LANES = 1u; // a power of two

var<workgroup> value: array<f32, THREADS>;
var<workgroup> index: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) tid: u32) {
  let r = wid.y;
  let lane = tid % LANES;
  let team = tid / LANES;
  let first = tid - lane;
  var lossSum = 0.0;
  var correctSum = 0.0;
  for (var step = 0u; step < p.rowsPerGroup; step++) {
    let row = (wid.x * p.rowsPerGroup + step) * (THREADS / LANES) + team;
    let inside = row < p.rows;
    let base = r * p.logitsReplica + min(row, p.rows - 1u) * p.classes;
    var best = -3.4e38;
    var at = 0u;
    for (var i = lane; i < p.classes; i += LANES) {
      let z = logits[base + i];
      if (z > best) { best = z; at = i; }
    }
    // The largest logit of the row, the first one on a tie.
    if (LANES > 1u) {
      value[tid] = best;
      index[tid] = at;
      for (var s = opaque(LANES / 2u); s > 0u; s /= 2u) {
        workgroupBarrier();
        if (lane < s) {
          let other = value[tid + s];
          if (other > value[tid] || (other == value[tid] && index[tid + s] < index[tid])) {
            value[tid] = other;
            index[tid] = index[tid + s];
          }
        }
      }
      workgroupBarrier();
      best = value[first];
      at = index[first];
      workgroupBarrier();
    }
    var sum = 0.0;
    for (var i = lane; i < p.classes; i += LANES) { sum += exp(logits[base + i] - best); }
    if (LANES > 1u) {
      value[tid] = sum;
      for (var s = opaque(LANES / 2u); s > 0u; s /= 2u) {
        workgroupBarrier();
        if (lane < s) { value[tid] += value[tid + s]; }
      }
      workgroupBarrier();
      sum = value[first];
      workgroupBarrier();
    }
    if (inside) {
      let t = targetOf(r, row);
      let share = shareOf(r, row);
      if (lane == 0u) {
        lossSum += share * ((best - logits[base + t]) + log(sum));
        correctSum += share * select(0.0, 1.0, at == t);
      }
      if (GRADIENT) {
        let scale = lossFactor(r) / f32(p.terms) * share;
        let out = r * p.dLogitsReplica + row * p.classes;
        for (var i = lane; i < p.classes; i += LANES) {
          dLogits[out + i] = (exp(logits[base + i] - best) / sum - select(0.0, 1.0, i == t)) * scale;
        }
      }
    }
  }
  finish(r, wid.x, tid, vec2f(lossSum, correctSum));
}
