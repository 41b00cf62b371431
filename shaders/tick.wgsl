// Learning rate and Adam corrections of the current step, then step += 1 and sample counter += batch (64 bit).
//   rate = base * schedule(step);  1 - beta^t = 1 - exp(-t decay), decay = -ln beta: a recurrence in f32 stalls once its step
//   is below a rounding
// SCALED: the inverse of the loss factor 2^(exponent - 127), or 0 for a step with a factor that did not fit; then the factor
// is halved.
// One thread per replica. Words: src/kernels/shared/words.ts.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let r = id.x;
  if (r >= p.replicas) { return; }
  let c = r * CLOCK_WORDS;
  let h = r * HYPER_WORDS;
  let now = r * PACE_WORDS;
  let step = clock[c + CLOCK_STEP];
  clock[c + CLOCK_STEP] = step + 1u;
  let low = clock[c + CLOCK_SAMPLE_LOW];
  clock[c + CLOCK_SAMPLE_LOW] = low + p.batch;
  if (low + p.batch < low) { clock[c + CLOCK_SAMPLE_HIGH] += 1u; }
  pace[now + PACE_CORRECTION1] = oneMinusExp(f32(step + 1u) * hyper[h + HYPER_DECAY1]);
  pace[now + PACE_CORRECTION2] = oneMinusExp(f32(step + 1u) * hyper[h + HYPER_DECAY2]);
  let warmup = hyper[h + HYPER_WARMUP];
  var factor = 1.0;
  if (f32(step) < warmup) {
    factor = f32(step + 1u) / warmup;
  } else if (hyper[h + HYPER_SCHEDULE] == 1.0) {
    let progress = min(1.0, (f32(step) - warmup) / max(1.0, hyper[h + HYPER_STEPS] - 1.0 - warmup));
    let floor = hyper[h + HYPER_FLOOR];
    factor = floor + (1.0 - floor) * 0.5 * (1.0 + cosPi(progress));
  }
  pace[now + PACE_RATE] = hyper[h + HYPER_RATE] * factor;
#if SCALED
  let s = r * SCALING_WORDS;
  let exponent = scaling[s + SCALING_EXPONENT];
  let skips = scaling[s + SCALING_OVERFLOW] != 0u;
  pace[now + PACE_UNSCALE] = select(bitcast<f32>((254u - exponent) << 23u), 0.0, skips);
  if (skips) {
    scaling[s + SCALING_OVERFLOW] = 0u;
    scaling[s + SCALING_EXPONENT] = max(1u, exponent - 1u);
    scaling[s + SCALING_SKIPPED] += 1u;
  }
#end
}

// cos(pi x) for x in [0, 1] as sin(pi (1/2 - x)), by Taylor's series to y^13 (remainder < 3e-10). WGSL allows cos an error of
// 2^-11 (SwiftShader: 4e-6 relative); additions and products give every driver the same bits.
fn cosPi(x: f32) -> f32 {
  let y = 3.14159265358979 * (0.5 - x);
  let z = y * y;
  var sum = 1.0 / 6227020800.0;
  sum = fma(sum, z, -1.0 / 39916800.0);
  sum = fma(sum, z, 1.0 / 362880.0);
  sum = fma(sum, z, -1.0 / 5040.0);
  sum = fma(sum, z, 1.0 / 120.0);
  sum = fma(sum, z, -1.0 / 6.0);
  return fma(sum * z, y, y);
}

// 1 - exp(-x) for x >= 0, with a relative error of a few 2^-24: x = k ln 2 + r, 1 - exp(-x) = (1 - 2^-k) + 2^-k (1 -
// exp(-r)), the last by Taylor's series (|r| <= 0.35, remainder < 2e-9 of it). WGSL's exp is too coarse for small x. k ln2Hi
// is exact.
fn oneMinusExp(x: f32) -> f32 {
  if (x >= 25.0) { return 1.0; }
  let k = round(x * 1.44269504);
  let r = fma(-k, 1.42860677e-6, fma(-k, 0.693145752, x));
  var sum = -1.0 / 40320.0;
  sum = fma(sum, r, 1.0 / 5040.0);
  sum = fma(sum, r, -1.0 / 720.0);
  sum = fma(sum, r, 1.0 / 120.0);
  sum = fma(sum, r, -1.0 / 24.0);
  sum = fma(sum, r, 1.0 / 6.0);
  sum = fma(sum, r, -0.5);
  let rest = fma(sum * r, r, r);
  let share = ldexp(1.0, -i32(k));
  return fma(share, rest, 1.0 - share);
}
