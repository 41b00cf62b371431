/** What the curves in data of all figures of `rhm reproduce` have in common: the run at P, and the bounds of the search. */
import type { GrammarShape } from '../core/rules.js';
import type { Scale } from './plannedGrammars.js';
import type { Search } from './search.js';

/** Figures whose runs are chosen by a search. */
export const searchedFigures = ['data', 'control', 'context', 'classes', 'powerLaw', 'wiring'] as const;
export type SearchedFigure = (typeof searchedFigures)[number];

export interface PlannedSearch extends Search {
  readonly figure: SearchedFigure;
  readonly model: string;
  readonly m: number;
}

/** One network on grammars of one size. */
export interface SearchBlock {
  shape: GrammarShape;
  settings: Record<string, unknown>; // model, optimiser, task
  batch: number;
  most: number; // maximum optimiser steps of a run; it stops earlier once its validation loss has stopped improving
  epochs?: number; // likewise
}

export const EPOCHS = 128; // maximum; the best validation loss comes after 10 to 60
const LEAST_STEPS = 2 ** 14; // even for the smallest P: more than enough for a network to leave its initial state
const PATIENCE = 2.5;
/** Upper bound on P as a fraction of the language: above it the sentences have too little sampling noise for P to measure it. */
export const LARGEST_PART = 1 / 10;

export interface CurveOptions {
  scale: Scale;
  seed: number; // of both the grammar and the run
  to: number; // largest P
  stopLoss?: number; // nats; default: none
  grammar?: Record<string, unknown>; // in addition to sizes and seed
  evaluation?: Record<string, unknown>; // in addition to the sizes
}

/** The part of a search that does not depend on what it is to find. */
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
