/** The sentences used by measures: the first of the test set, the same every time. */
import { CLOCK_WORDS } from '../core/clock.js';
import { InputError } from '../core/errors.js';
import { mask } from '../kernels/mask.js';
import { sample } from '../kernels/sample.js';
import type { MeasureContext } from '../models/measure.js';
import { type Forward, type ModelShape, maskingOf } from '../models/types.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';

/** A counter that stays at 0. One per measure. */
export function declareClock({ builder }: MeasureContext, measure: string): Tensor {
  return builder.persistent(`measure/${measure}/clock`, [CLOCK_WORDS], 'u32');
}

/** The source of sentences, as the operation sample takes it. */
export interface DrawnSet {
  grammar: Tensor;
  source: Tensor;
  endless: boolean;
}

export interface TestBatch {
  tokens: Tensor; // u32 [R, B, d]
  clock: Tensor;
  change?: Tensor; // u32 [R, 6]
  hidden?: Tensor; // u32 [R, B, nodes]
}

/**
 * Fills `tokens` with the first sentences of the test set, or of another one, after `change` if there is one.
 * @returns the network's input: those tokens, in the order in which they are shown, or what the masks of the test set leave
 * visible
 */
export function addTestBatch(
  context: MeasureContext,
  plan: PlanBuilder,
  batch: TestBatch,
  set: DrawnSet = { grammar: context.grammar, source: context.testSource, endless: context.endless },
): Tensor {
  const { holds, shape, masks, shuffle } = context;
  const { tokens, clock } = batch;
  sample(plan, { label: 'sentences', s: shape.s, L: shape.L, ...set, holds, ...batch });
  if (shuffle) return shuffle(plan, tokens);
  if (!masks) return tokens;
  const seen = plan.activation('seen', tokens.shape.slice(1), 'u32');
  const counts = plan.activation('masked', [tokens.shape[1], shape.length], 'u32');
  mask(plan, { label: 'masks', ...maskingOf(shape), ...masks, tokens, clock, seen, counts });
  return seen;
}

/** The hidden symbol that represents a level: the second to last one, whose tokens are all visible; at the top the root. */
export interface ObservedSymbol {
  level: number; // counted from the leaves, 1 .. L; 0: a token
  node: number; // index in the tree, root first
  lastToken: number; // last of the tokens below it, in the whole sentence
}

export function observedSymbols({ s, L }: Pick<ModelShape, 's' | 'L'>): ObservedSymbol[] {
  return Array.from({ length: L }, (_, i) => {
    const level = i + 1;
    const nodes = s ** (L - level);
    const place = Math.max(0, nodes - 2);
    return { level, node: (nodes - 1) / (s - 1) + place, lastToken: (place + 1) * s ** level - 1 };
  });
}

/**
 * The positions above symbols, each once, and for every layer and symbol the position from which it is observed.
 * @throws InputError if positions are shuffled: no position is above a symbol
 */
export function placesOver(
  { shape, shuffle }: Pick<MeasureContext, 'shape' | 'shuffle'>,
  measure: string,
  hidden: Forward['hidden'],
  symbols: readonly ObservedSymbol[],
) {
  if (shuffle)
    throw new InputError(
      `measures: ${measure} uses the position above a symbol, but grammar.shuffle scatters its tokens; leave it out, or take readout, which uses all positions`,
    );
  const slots: { layer: number; position: number }[] = []; // layer: index of `hidden`
  const slotOf = (layer: number, position: number) => {
    const known = slots.findIndex((slot) => slot.layer === layer && slot.position === position);
    return known < 0 ? slots.push({ layer, position }) - 1 : known;
  };
  const values = hidden.flatMap((layer, k) =>
    symbols.map((symbol) => ({
      ...symbol,
      layer: k + 1,
      slot: slotOf(k, positionOver(symbol.lastToken, layer, shape)),
    })),
  );
  return { slots, values };
}

/** The position of a layer above a token; if there is one per token, that of the token itself. */
function positionOver(token: number, { positions }: Forward['hidden'][0], { firstToken, length }: ModelShape): number {
  const at = token - firstToken;
  return Math.min(positions - 1, positions === length - 1 ? at : Math.floor((at * positions) / length));
}
