/**
 * Learning rate and Adam corrections of the step at hand, then step += 1 and sample counter += batch (64 bit); the twin of
 * shaders/tick.wgsl. 1 - beta^t = 1 - exp(-t decay), decay = -ln beta.
 */
import { cos1, oneMinusExp } from '../math';
import { shareOf } from '../share';

// Parameter words (src/kernels/tick.ts). Addresses in bytes; rows are packed.
const HYPER: usize = 0;
const CLOCK: usize = 4;
const PACE: usize = 8;
const REPLICAS: usize = 12;
const BATCH: usize = 16;

/** Words of the state tensors: src/core/clock.ts. */
export function tick(p: usize, thread: u32, threads: u32): void {
  const replicas = load<u32>(p, REPLICAS);
  const end = shareOf(replicas, thread + 1, threads);
  for (let r = shareOf(replicas, thread, threads); r < end; r++) {
    const hyper = load<u32>(p, HYPER) + 64 * r;
    const clock = load<u32>(p, CLOCK) + 32 * r;
    const pace = load<u32>(p, PACE) + 16 * r;
    const step = load<u32>(clock);
    store<u32>(clock, step + 1);
    store<u64>(clock, load<u64>(clock, 4) + load<u32>(p, BATCH), 4); // low word, high word
    store<f32>(pace, oneMinusExp(<f64>(step + 1) * <f64>load<f32>(hyper, 48)), 4);
    store<f32>(pace, oneMinusExp(<f64>(step + 1) * <f64>load<f32>(hyper, 52)), 8);
    store<f32>(pace, <f32>(<f64>load<f32>(hyper) * factor(hyper, <f64>step)));
  }
}

/** The schedule of src/core/schedule.ts. */
function factor(hyper: usize, step: f64): f64 {
  const warmup = <f64>load<f32>(hyper, 28);
  if (step < warmup) return (step + 1) / warmup;
  if (load<f32>(hyper, 24) != 1) return 1;
  const progress = min<f64>(1, (step - warmup) / max<f64>(1, <f64>load<f32>(hyper, 32) - 1 - warmup));
  const floor = <f64>load<f32>(hyper, 36);
  return floor + (1 - floor) * 0.5 * (1 + cos1(Math.PI * progress));
}
