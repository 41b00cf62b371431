// Shared by the optimiser kernels: one thread owns 4 neighbouring elements of one replica's row of the flat [R, P] blocks,
// or of one contiguous part of the rows: `quads` vec4s, rows `stride` vec4s apart.
// SCALED: gradients contain the loss factor; pace has its inverse, or 0 if the step is skipped.
// hyper [R, 16] and pace [R, 4]: words by the names of src/kernels/shared/words.ts.
override SCALED = false;

fn leavesOut(r: u32) -> bool { return SCALED && pace[r * PACE_WORDS + PACE_UNSCALE] == 0.0; }
fn gradient(r: u32, i: u32) -> vec4f {
  if (SCALED) { return grads[i] * pace[r * PACE_WORDS + PACE_UNSCALE]; }
  return grads[i];
}
