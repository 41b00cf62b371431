import { isFixed, type MaskLaw, maskLaw } from '../core/masking.js';
import type { Rules } from '../core/rules.js';
import { type EvaluatedTask, tasks } from '../core/tasks.js';
import { type LossOptions, lossPlateaus } from './losses.js';
import { maskedPlateaus } from './masked.js';

/**
 * Exact losses in nats to which a task's test loss falls step by step, from H(0) up to the highest level whose block fits into the
 * context; undefined for a task without known ones. For `mask`, H(0) .. H(L) of `maskedPlateaus`. causal: for a network that sees
 * only the tokens before the masked one. plateaus, masked: functions that compute them.
 */
export function floorsOf(
  task: EvaluatedTask,
  rules: Rules,
  { causal = false, ...options }: LossOptions & { causal?: boolean } = {},
  plateaus = (of: Rules) => lossPlateaus(of, options).H,
  masked = (of: Rules, law: MaskLaw, causal: boolean) => maskedPlateaus(of, law, { causal }).H,
): number[] | undefined {
  const { kind, context = Number.POSITIVE_INFINITY } = task;
  if (tasks[kind].masks) {
    const law = maskLaw({ task, grammar: rules });
    return isFixed(law) && isLast(law, rules) ? plateaus(rules) : masked(rules, law, causal);
  }
  if (!tasks[kind].staircase) return undefined;
  let reach = 0;
  while (reach < rules.L && rules.s ** (reach + 1) <= context) reach++;
  return plateaus(rules).slice(0, reach + 1);
}

/** Whether the last token alone is masked, and all others are visible. */
const isLast = ({ places, least }: MaskLaw, { s, L }: Rules): boolean =>
  least === 1 && places.length === s ** L && places[places.length - 1];
