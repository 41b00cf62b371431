/** Options of `rhm sweep predict`, in a file apart from the computation. */
import { InvalidArgumentError } from 'commander';
import type { Result } from '../../analysis/prediction/suggest.js';

export interface PredictOptions {
  store?: string[];
  suggest?: number;
  result?: Result;
  validate: boolean;
}

/** `P_2`, `power_2`. */
export function resultNamed(text: string): Result {
  const [, kind, ell] = /^(P|power)_(\d{1,2})$/.exec(text.trim()) ?? [];
  if (!kind || Number(ell) < 1)
    throw new InvalidArgumentError('Pass P_ell, such as P_2, or the power of m in it, such as power_2.');
  return { kind: kind as Result['kind'], ell: Number(ell) };
}
