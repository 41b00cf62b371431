import { isFixed, type MaskLaw, maskLaw } from '../core/masking.js';
import type { Rules } from '../core/rules.js';
import { type EvaluatedTask, tasks } from '../core/tasks.js';
import { type LossOptions, lossPlateaus } from './losses.js';
import { maskedPlateaus } from './masked.js';

/**
 * Exact losses in nats that a task's test loss falls to step by step, H(0) up to the highest level whose block fits into the
 * context; undefined where a task has no known ones. Of `mask`, H(0) .. H(L) of `maskedPlateaus`. causal: of a network that sees only
 * what is before a token. plateaus, masked: where they come from.
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

/** Whether the last token is masked alone, and all others are seen. */
const isLast = ({ places, least }: MaskLaw, { s, L }: Rules): boolean =>
  least === 1 && places.length === s ** L && places[places.length - 1];
