/**
 * Learning rate and Adam corrections of the current step, then step += 1 and sample counter += batch (64 bit); the twin of
 * shaders/tick.wgsl. 1 - beta^t = 1 - exp(-t decay), decay = -ln beta.
 */
import { Tick } from '../../build/assembly/layouts';
import {
  CLOCK_SAMPLE_LOW,
  CLOCK_STEP,
  HYPER_DECAY1,
  HYPER_DECAY2,
  HYPER_FLOOR,
  HYPER_RATE,
  HYPER_SCHEDULE,
  HYPER_STEPS,
  HYPER_WARMUP,
  PACE_CORRECTION1,
  PACE_CORRECTION2,
  PACE_RATE,
  PACE_UNSCALE,
  SCALING_EXPONENT,
  SCALING_OVERFLOW,
  SCALING_SKIPPED,
} from '../../build/assembly/words';
import { cos1, oneMinusExp } from '../math';
import { shareOf } from '../share';

export function tick(p: Tick, thread: u32, threads: u32): void {
  const replicas = p.replicas;
  const end = shareOf(replicas, thread + 1, threads);
  for (let r = shareOf(replicas, thread, threads); r < end; r++) {
    const hyper = p.hyperAt(r);
    const clock = p.clockAt(r);
    const pace = p.paceAt(r);
    const step = load<u32>(clock, CLOCK_STEP);
    store<u32>(clock, step + 1, CLOCK_STEP);
    store<u64>(clock, load<u64>(clock, CLOCK_SAMPLE_LOW) + p.batch, CLOCK_SAMPLE_LOW); // low word, high word
    store<f32>(pace, oneMinusExp(<f64>(step + 1) * <f64>load<f32>(hyper, HYPER_DECAY1)), PACE_CORRECTION1);
    store<f32>(pace, oneMinusExp(<f64>(step + 1) * <f64>load<f32>(hyper, HYPER_DECAY2)), PACE_CORRECTION2);
    store<f32>(pace, <f32>(<f64>load<f32>(hyper, HYPER_RATE) * factor(hyper, <f64>step)), PACE_RATE);
    if (p.scaling) unscale(p.scalingAt(r), pace);
  }
}

/** pace receives the inverse of the loss factor, or 0 if a factor did not fit; then the loss factor is halved. */
function unscale(scaling: usize, pace: usize): void {
  const exponent = load<u32>(scaling, SCALING_EXPONENT);
  if (!load<u32>(scaling, SCALING_OVERFLOW)) {
    store<u32>(pace, (254 - exponent) << 23, PACE_UNSCALE);
    return;
  }
  store<f32>(pace, 0, PACE_UNSCALE);
  store<u32>(scaling, 0, SCALING_OVERFLOW);
  store<u32>(scaling, max<u32>(1, exponent - 1), SCALING_EXPONENT);
  store<u32>(scaling, load<u32>(scaling, SCALING_SKIPPED) + 1, SCALING_SKIPPED);
}

/** The schedule of src/core/schedule.ts. */
function factor(hyper: usize, step: f64): f64 {
  const warmup = <f64>load<f32>(hyper, HYPER_WARMUP);
  if (step < warmup) return (step + 1) / warmup;
  if (load<f32>(hyper, HYPER_SCHEDULE) != 1) return 1;
  const progress = min<f64>(1, (step - warmup) / max<f64>(1, <f64>load<f32>(hyper, HYPER_STEPS) - 1 - warmup));
  const floor = <f64>load<f32>(hyper, HYPER_FLOOR);
  return floor + (1 - floor) * 0.5 * (1 + cos1(Math.PI * progress));
}
