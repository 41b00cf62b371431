/** What the curves in data of all figures of `rhm reproduce` share: the run at P, and the bounds of the search. */
import type { GrammarShape } from '../core/rules.js';
import type { Scale } from './plannedGrammars.js';
import type { Search } from './search.js';

/** Figures whose runs are searched for. */
export const searchedFigures = ['data', 'control', 'context', 'classes', 'powerLaw', 'wiring'] as const;
export type SearchedFigure = (typeof searchedFigures)[number];

export interface PlannedSearch extends Search {
  readonly figure: SearchedFigure;
  readonly model: string;
  readonly m: number;
}

/** Of one network on grammars of one size. */
export interface SearchBlock {
  shape: GrammarShape;
  settings: Record<string, unknown>; // model, optimiser, task
  batch: number;
  most: number; // optimiser steps of a run; it stops before where its validation loss has stopped improving
  epochs?: number; // likewise
}

export const EPOCHS = 128; // at most; the best validation loss comes after 10 to 60
const LEAST_STEPS = 2 ** 14; // also for the smallest P: what a network needs to leave its initial state, and more
const PATIENCE = 2.5;
/** P beyond this part of the language counts sentences that leave no sampling noise. */
export const LARGEST_PART = 1 / 10;

export interface CurveOptions {
  scale: Scale;
  seed: number; // of the grammar and of the run
  to: number; // largest P
  stopLoss?: number; // nats; default: none
  grammar?: Record<string, unknown>; // beside sizes and seed
  evaluation?: Record<string, unknown>; // beside the sizes
}

/** The part of a search that does not depend on what is looked for. */
export function curveSearch(
  { shape, settings, batch, most, epochs = EPOCHS }: SearchBlock,
  { scale, seed, to, stopLoss, grammar, evaluation }: CurveOptions,
): Pick<Search, 'from' | 'to' | 'within' | 'most' | 'at'> {
  const sizes =
    scale === 'quick'
      ? { size: 8192, validation: 2048, perDoubling: 3 }
      : { size: 32768, validation: 8192, perDoubling: 4 };
  return {
    from: batch,
    to: Math.floor(to),
    within: scale === 'quick' ? 1.5 : 1.25,
    most: scale === 'quick' ? 12 : 28,
    at: (P) => ({
      ...settings,
      grammar: { ...shape, seed, ...grammar },
      budget: {
        batch,
        sentences: P,
        patience: PATIENCE,
        steps: Math.min(most, Math.max(LEAST_STEPS, Math.ceil((epochs * P) / batch))),
        ...(stopLoss !== undefined && { stopLoss }),
      },
      evaluation: { ...sizes, ...evaluation },
      seed,
    }),
  };
}
