import type { Rules } from '../core/rules.js';
import { type EvaluatedTask, tasks } from '../core/tasks.js';
import { type LossOptions, lossPlateaus } from './losses.js';

/**
 * Exact losses in nats that a task's test loss falls to step by step, H(0) up to the highest level whose block fits into the
 * context; undefined where a task has no known ones. plateaus: where H(0) .. H(L) of the rules come from.
 */
export function floorsOf(
  { kind, context = Number.POSITIVE_INFINITY }: EvaluatedTask,
  rules: Rules,
  options: LossOptions = {},
  plateaus = (of: Rules) => lossPlateaus(of, options).H,
): number[] | undefined {
  if (!tasks[kind].staircase) return undefined;
  let reach = 0;
  while (reach < rules.L && rules.s ** (reach + 1) <= context) reach++;
  return plateaus(rules).slice(0, reach + 1);
}
