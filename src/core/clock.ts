/** Words of the per-replica state tensors that a plan advances itself. Part of the checkpoint format: never renumber. */
export const clockWords = { step: 0, sampleLow: 1, sampleHigh: 2, chunk: 3 } as const;
export const CLOCK_WORDS = 8; // clock: u32 [R, 8]

/** hyper: f32 [R, 16], what the host sets. rate: base learning rate. */
export const hyperWords = {
  rate: 0,
  momentum: 1,
  beta1: 2,
  beta2: 3,
  epsilon: 4,
  weightDecay: 5,
  schedule: 6,
  warmup: 7,
  steps: 8,
  floor: 9,
  oneMinusBeta1: 10, // 1 - beta1 and 1 - beta2, rounded to f32 from float64: what matters is their difference from 1
  oneMinusBeta2: 11,
  decay1: 12, // -ln beta1 and -ln beta2, at most 100: 1 - beta^t = 1 - exp(-t decay)
  decay2: 13,
} as const;
export const HYPER_WORDS = 16;

/**
 * pace: f32 [R, 4], what `tick` computed for the current step. correction1 = 1 - beta1^t, correction2 = 1 - beta2^t. unscale: with a
 * scaled loss (`scaling`), the inverse of its factor, or 0 if the step is skipped; otherwise unused.
 */
export const paceWords = { rate: 0, correction1: 1, correction2: 2, unscale: 3 } as const;
export const PACE_WORDS = 4;

/**
 * scaling: u32 [R, 4], the factor of the loss where products have half-precision factors. overflow: 1 once a factor of the current step
 * did not fit. exponent: the factor is 2^(exponent - 127), so that the word shifted by 23 bits is that f32. skipped: number of steps
 * skipped.
 */
export const scalingWords = { overflow: 0, exponent: 1, skipped: 2 } as const;
export const SCALING_WORDS = 4;
/** The exponent word of the factor 1. */
export const UNIT_EXPONENT = 127;
