// Ridge regression in its dual form, one feature space of one replica per workgroup. With A = centred Gram matrix + penalty = U^T U
// over the fitted sentences, the outputs for a sentence with inner products k are k A^-1 Y = (U^-T k)^T (U^-T Y). So the columns of
// A, of the inner products k and of the one-hot targets Y are side by side, and one elimination turns them into z = U, U^-T k,
// U^-T Y. A thread owns columns of z; row j of z needs the rows above it and column j of U.

override FIT = 1u; // sentences that are fitted, the first of the batch
override PENALTY = 0.0; // relative to the variance
override FLOOR = 0.0; // relative to the mean square
const WG = 256u;

var<workgroup> mean: array<f32, FIT>; // inner product of a fitted sentence with the mean of all fitted
var<workgroup> pivot: array<f32, FIT>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) tid: u32) {
  let unit = wid.x + wid.y * groups.x;
  if (unit >= p.units) { return; }
  let r = unit / p.spaces;
  let space = unit % p.spaces;
  let width = p.batch + p.columns;
  let first = unit * (FIT + 1u) * width;
  let centres = first + FIT * width;
  let matrix = r * p.gramReplica + space * p.batch * p.batch;
  let tree = r * p.symbolsReplica;
  let wanted = r * p.targetsReplica / 2u;

  for (var c = tid; c < width; c += WG) {
    var sum = 0.0;
    if (c < p.batch) {
      for (var j = 0u; j < FIT; j++) { sum += gram[matrix + j * p.batch + c]; }
    } else {
      let t = targets[wanted + c - p.batch];
      for (var j = 0u; j < FIT; j++) { sum += f32(symbols[tree + j * p.nodes + t.x] == t.y); }
    }
    z[centres + c] = sum / f32(FIT);
    if (c < FIT) {
      mean[c] = sum / f32(FIT);
      pivot[c] = gram[matrix + c * p.batch + c];
    }
  }
  workgroupBarrier();
  var grand = 0.0;
  var square = 0.0;
  for (var j = 0u; j < FIT; j++) {
    grand += mean[j];
    square += pivot[j];
  }
  grand /= f32(FIT);
  square /= f32(FIT);
  let penalty = PENALTY * max(square - grand, 0.0) + FLOOR * square + 1e-30;

  for (var j = 0u; j < FIT; j++) {
    storageBarrier();
    workgroupBarrier(); // row j - 1 is written, column j - 1 has been used
    for (var k = tid; k < j; k += WG) { pivot[k] = z[first + k * width + j]; }
    workgroupBarrier();
    var diagonal = gram[matrix + j * p.batch + j] - 2.0 * mean[j] + grand + penalty;
    for (var k = 0u; k < j; k++) { diagonal -= pivot[k] * pivot[k]; }
    let inverse = inverseSqrt(max(diagonal, penalty)); // below the penalty it is due to rounding
    for (var c = tid; c < width; c += WG) {
      if (c < j) { continue; }
      var x = -z[centres + c];
      if (c < p.batch) {
        x += gram[matrix + j * p.batch + c] - mean[j] + grand + select(0.0, penalty, c == j);
      } else {
        let t = targets[wanted + c - p.batch];
        x += f32(symbols[tree + j * p.nodes + t.x] == t.y);
      }
      for (var k = 0u; k < j; k++) { x -= z[first + k * width + c] * pivot[k]; }
      z[first + j * width + c] = x * inverse;
    }
  }
  storageBarrier();
  workgroupBarrier();

  let output = r * p.scoresReplica + space * (p.batch - FIT) * p.columns;
  for (var o = tid; o < (p.batch - FIT) * p.columns; o += WG) {
    let i = FIT + o / p.columns;
    let c = p.batch + o % p.columns;
    var x = z[centres + c];
    for (var j = 0u; j < FIT; j++) { x += z[first + j * width + i] * z[first + j * width + c]; }
    scores[output + o] = x;
  }
}
