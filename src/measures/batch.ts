/** The sentences that measures look at: the first of the test set, the same every time. */
import { CLOCK_WORDS } from '../core/clock.js';
import { mask } from '../kernels/mask.js';
import { sample } from '../kernels/sample.js';
import type { MeasureContext } from '../models/measure.js';
import { type ModelShape, maskingOf } from '../models/types.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';

/** A counter that stays at 0. One a measure. */
export function declareClock({ builder }: MeasureContext, measure: string): Tensor {
  return builder.persistent(`measure/${measure}/clock`, [CLOCK_WORDS], 'u32');
}

export interface TestBatch {
  tokens: Tensor; // u32 [R, B, d]
  clock: Tensor;
  change?: Tensor; // u32 [R, 6]
  hidden?: Tensor; // u32 [R, B, nodes]
}

/**
 * Fills `tokens` with the first sentences of the test set, after `change` if there is one.
 * @returns what the network reads: those tokens, in the order that is shown, or what the masks of the test set leave of them
 */
export function addTestBatch(context: MeasureContext, plan: PlanBuilder, batch: TestBatch): Tensor {
  const { grammar, testSource: source, endless, shape, masks, shuffle } = context;
  const { tokens, clock } = batch;
  sample(plan, { label: 'sentences', s: shape.s, L: shape.L, grammar, source, endless, ...batch });
  if (shuffle) return shuffle(plan, tokens);
  if (!masks) return tokens;
  const seen = plan.activation('seen', tokens.shape.slice(1), 'u32');
  const counts = plan.activation('masked', [tokens.shape[1], shape.length], 'u32');
  mask(plan, { label: 'masks', ...maskingOf(shape), ...masks, tokens, clock, seen, counts });
  return seen;
}

/** The hidden symbol that stands for a level: the second to last one, whose tokens are all visible; at the top the root. */
export interface ObservedSymbol {
  level: number; // counted from the leaves, 1 .. L
  node: number; // in the tree, root first
  lastToken: number; // of those below it, in the whole sentence
}

export function observedSymbols({ s, L }: Pick<ModelShape, 's' | 'L'>): ObservedSymbol[] {
  return Array.from({ length: L }, (_, i) => {
    const level = i + 1;
    const nodes = s ** (L - level);
    const place = Math.max(0, nodes - 2);
    return { level, node: (nodes - 1) / (s - 1) + place, lastToken: (place + 1) * s ** level - 1 };
  });
}
