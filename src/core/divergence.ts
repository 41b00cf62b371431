/**
 * A mean loss above this means that the run has diverged, even if the loss is finite: the predicted token has, averaged over the
 * sentences, a probability below 2^-149, the smallest positive f32 number. An untrained network has a loss of log v <= 11.1 nats;
 * one that is certain of a wrong token and sums its softmax in f32 stays below the limit.
 */
export const DIVERGED_NATS = 149 * Math.LN2; // 103.3

/** Whether a run with this mean loss (nats) has diverged. */
export const isDiverged = (loss: number): boolean => !(loss <= DIVERGED_NATS);
