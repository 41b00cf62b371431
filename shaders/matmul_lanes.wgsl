// Batched matmul for drivers that run on the CPU and have subgroups of a known size LANES. One subgroup is a workgroup and
// owns TM x TN * LANES elements of one C[r, g]: a lane sums TM rows of TN columns, LANES apart, and steps through K one by one.
// Such a driver runs a subgroup as one vector of the CPU: an operation costs one instruction for all lanes, a load a dozen
// for each lane, whatever the address (seen in lavapipe's code, Mesa 25). So the lanes load LANES rows of A at once and
// broadcast them, and each loaded value is used in TM or TN * LANES sums. LANES, TM, TN and GROUPS = TM / LANES are constants
// defined before this text (#for: src/gpu/unroll.ts). Sums are named sum{q}_{e}_{w}: row e of group q, column w.
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let r = wid.z / p.groups;
  let g = wid.z % p.groups;
  let i0 = wid.y * TM;
  let j0 = wid.x * TN * LANES;
  var strideA = p.aRow; // distance between rows of op(A)
  var stepA = 1u; // along K
  if (A_T) { strideA = 1u; stepA = p.aRow; }
  var strideB = 1u; // distance between columns of op(B)
  var stepB = p.bRow;
  if (B_T) { strideB = p.bRow; stepB = 1u; }
  // Elements beyond the edge are computed from the last row or column and not written.
#for q < GROUPS
  let fromA{q} = p.aOffset + r * p.aReplica + g * p.aGroup + min(i0 + {q}u * LANES + lane, p.m - 1u) * strideA;
#end
#for w < TN
  let fromB{w} = p.bOffset + r * p.bReplica + g * p.bGroup + min(j0 + {w}u * LANES + lane, p.n - 1u) * strideB;
#end
#for q < GROUPS_AND_SPARE, e < LANES_AND_SPARE, w < TN_AND_SPARE
  var sum{q}_{e}_{w} = 0.0;
#end
  var alongA = 0u;
  var alongB = 0u;
  for (var k = 0u; k < p.k; k++) {
#for q < GROUPS
    let rows{q} = a[fromA{q} + alongA];
#end
#for w < TN
    let b{w} = b[fromB{w} + alongB];
#end
    alongA += stepA;
    alongB += stepB;
#for q < GROUPS, e < LANES
    {
      let x = subgroupBroadcast(rows{q}, {e}u);
#for w < TN
      sum{q}_{e}_{w} = fma(x, b{w}, sum{q}_{e}_{w});
#end
    }
#end
  }
  // Every sum is written by the same few lines, after which the others move up: unrolled they would take seconds to compile.
  let iEnd = min(p.m, i0 + TM);
  let jEnd = min(p.n, j0 + TN * LANES);
  for (var iGroup = i0; iGroup < iEnd; iGroup += LANES) {
    for (var i = iGroup; i < min(iEnd, iGroup + LANES); i++) {
      for (var j = j0; j < jEnd; j += LANES) {
#for q < 1, e < 1, w < 1
        if (j + lane < p.n) { put(r, g, i, j + lane, sum{q}_{e}_{w}); }
#end
#for q < 1, e < 1, w < TN
        sum{q}_{e}_{w} = sum{q}_{e}_{w+1};
#end
      }
#for q < 1, e < LANES, w < TN
      sum{q}_{e}_{w} = sum{q}_{e+1}_{w};
#end
    }
#for q < GROUPS, e < LANES, w < TN
    sum{q}_{e}_{w} = sum{q+1}_{e}_{w};
#end
  }
}

fn put(r: u32, g: u32, i: u32, j: u32, sum: f32) {
  let inner = g * p.cGroup + i * p.cRow + j;
  let at = p.cOffset + r * p.cReplica + inner;
  var x = sum;
  if (BIAS && BIAS_INSIDE) { x += bias[r * p.biasReplica + g * p.biasGroup + j]; }
  x *= p.scale;
  if (BIAS && !BIAS_INSIDE) { x += bias[r * p.biasReplica + g * p.biasGroup + j]; }
  if (RELU) { x = max(x, 0.0); }
  if (MASK) { x = select(0.0, x, mask[r * p.maskReplica + inner] > 0.0); }
  if (RESIDUAL) { x += residual[r * p.residualReplica + inner]; }
  if (ACCUMULATE) { x += c[at]; }
  if (UPDATE) {
    var unscale = 1.0;
    if (SCALED) { unscale = pace[r * PACE_WORDS + PACE_UNSCALE]; }
    if (unscale == 0.0) { return; }
    x = fma(-pace[r * PACE_WORDS + PACE_RATE], x * unscale, c[at]);
  }
  c[at] = x;
}
