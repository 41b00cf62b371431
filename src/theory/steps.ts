/**
 * The excess over the floor in the middle of step ell, H(ell-1) -> H(ell): the geometric mean of the excess at the two plateaus;
 * at the last step, where the latter is 0, half the gap. plateaus: H(0) .. H(reach), ell from 1 to reach.
 */
export function stepExcess(plateaus: readonly number[], ell: number): number {
  const floor = plateaus[plateaus.length - 1];
  const above = plateaus[ell - 1] - floor;
  return ell === plateaus.length - 1 ? above / 2 : Math.sqrt(above * (plateaus[ell] - floor));
}

const CURVE_FLOOR = 1 / 30; // relative to the excess in the middle of the last step: below it ln excess is noise

/**
 * ln of the excess loss of a run, bounded from below where the rest of the curve does not matter: by `stop`, the excess at which
 * the run was stopped if it reached it (what it would have reached later is unknown), or far below the middle of the last step.
 */
export function logExcess(excess: number, plateaus: readonly number[], stop = 0): number {
  return Math.log(Math.max(excess, stop, CURVE_FLOOR * stepExcess(plateaus, plateaus.length - 1)));
}

/** Test error at which a classification counts as learnt: P* of arXiv:2307.02129. */
export const LEARNT_ERROR = 0.1;

/** ln of a test error, 1 - accuracy on `size` sentences; no error at all counts as half a sentence. */
export function logError(accuracy: number, size: number): number {
  return Math.log(Math.max(1 - accuracy, 0.5 / size));
}
