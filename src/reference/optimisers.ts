/** float64 references of the optimiser steps on one replica's flat block. Formulas: PyTorch's torch.optim.SGD and AdamW. */
export interface Pace {
  rate: number;
  momentum: number;
  oneMinusBeta1: number; // 1 - beta1
  oneMinusBeta2: number;
  epsilon: number;
  weightDecay: number;
  correction1: number; // 1 - beta1^t
  correction2: number; // 1 - beta2^t
  unscale: number; // factor on the gradients; 0: the step is skipped
}

/** velocity = momentum * velocity + grad (+ weightDecay * param); param -= rate * velocity. */
export function sgd(p: Pace, params: Float64Array, grads: Float64Array, velocity: Float64Array, n: number): void {
  if (p.unscale === 0) return;
  for (let i = 0; i < n; i++) {
    velocity[i] = p.momentum * velocity[i] + grads[i] * p.unscale + p.weightDecay * params[i];
    params[i] -= p.rate * velocity[i];
  }
}

/** Decoupled weight decay, then Adam with bias correction; epsilon outside the root. */
export function adamw(
  p: Pace,
  params: Float64Array,
  grads: Float64Array,
  moment1: Float64Array,
  moment2: Float64Array,
  n: number,
): void {
  if (p.unscale === 0) return;
  for (let i = 0; i < n; i++) {
    const gradient = grads[i] * p.unscale;
    moment1[i] += p.oneMinusBeta1 * (gradient - moment1[i]);
    moment2[i] += p.oneMinusBeta2 * (gradient * gradient - moment2[i]);
    const denominator = Math.sqrt(moment2[i] / p.correction2) + p.epsilon;
    params[i] = params[i] * (1 - p.rate * p.weightDecay) - (p.rate / p.correction1) * (moment1[i] / denominator);
  }
}

/**
 * Decoupled weight decay, then a step in the direction of the sign of an interpolation of moment and gradient. Source:
 * arXiv:2302.06675.
 */
export function lion(p: Pace, params: Float64Array, grads: Float64Array, moment: Float64Array, n: number): void {
  if (p.unscale === 0) return;
  for (let i = 0; i < n; i++) {
    const change = grads[i] * p.unscale - moment[i];
    const direction = moment[i] + p.oneMinusBeta1 * change;
    moment[i] += p.oneMinusBeta2 * change;
    params[i] = params[i] * (1 - p.rate * p.weightDecay) - p.rate * (Number(direction > 0) - Number(direction < 0));
  }
}
