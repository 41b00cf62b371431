/**
 * A mean loss above this is that of a run that has diverged, finite as it may be: the token that comes gets a probability below
 * 2^-149, the smallest f32 number above 0, on average over the sentences. A network that learnt nothing is at log v <= 11.1 nats,
 * one that is sure of a wrong token and sums its softmax in f32 stays below.
 */
export const DIVERGED_NATS = 149 * Math.LN2; // 103.3

/** Whether this is the mean loss of a run that has diverged. loss in nats. */
export const isDiverged = (loss: number): boolean => !(loss <= DIVERGED_NATS);
