/** Learning-rate schedules. `steps` optimiser steps in total; over the first `warmup` of them the rate rises linearly from 0. */
export const schedules = { constant: 0, cosine: 1 } as const;

/**
 * Learning rate divided by its base value at a step, counted from 0: linear warm-up to 1 over `warmup` steps, then constant, or a
 * cosine from 1 to `floor` (0.1 in the paper) at the last step.
 */
export function scheduleFactor(step: number, kind: number, warmup: number, steps: number, floor: number): number {
  if (step < warmup) return (step + 1) / warmup;
  if (kind === schedules.constant) return 1;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - 1 - warmup));
  return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
