/** What is said of models and of those that their users define, without the schema of their options. */
import type { OptimiserKind } from './experimentTypes.js';
import type { TaskKind } from './tasks.js';

/** Laws of sample complexity: theory/complexity.ts. */
export type Family = 'transformer' | 'cnn';

/** What is known of a model without building it: for schema, menus, reports and expected laws. */
export interface ModelFacts {
  title: string; // in full, as within a sentence
  short: string; // beside a figure's axis
  about: string; // half a sentence for readers of a report
  /** The law that it is expected to follow; undefined: none is known. */
  family: Family | undefined;
  /** What trains it where an experiment names no optimiser; without a rate, that optimiser's own. */
  optimiser: { kind: OptimiserKind; rate?: number };
  tasks: readonly TaskKind[];
  /** What a unit of layer l looks at: `block`, s^l tokens, less than a block of a higher level; `sentence`, everything. */
  sees: 'block' | 'sentence';
  causal?: boolean; // a unit sees only the tokens before it and its own
  colour: number; // place in the palette of figures
}

declare const defined: unique symbol;
/** The name of a model that `defineModel` or `loadModels` has made known: both return it. */
export type DefinedKind = string & { readonly [defined]: true };

/**
 * Options of one's own models by name, for experiments that name them as text. Empty here; a program adds its own:
 * `declare module 'rhm-lab' { interface OwnModels { tower: { width?: number } } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: declarations of other modules are merged into it
export interface OwnModels {}

/** A model of one's own in an experiment. */
export type OwnModelInput =
  | { [Kind in keyof OwnModels]: { kind: Kind } & OwnModels[Kind] }[keyof OwnModels]
  | { kind: DefinedKind; [option: string]: unknown };
