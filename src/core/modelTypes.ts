/** Facts about models, including those that users define, without the schema of their options. */
import type { OptimiserKind } from './experimentTypes.js';
import type { TaskKind } from './tasks.js';

/** Laws of sample complexity: theory/complexity.ts. */
export type Family = 'transformer' | 'cnn';

/** What is known of a model without building it: for the schema, menus, reports and expected laws. */
export interface ModelFacts {
  title: string; // full name, as within a sentence
  short: string; // beside a figure's axis
  about: string; // half a sentence that explains it to readers of a report
  /** The law of sample complexity that it should follow; undefined: none is known. */
  family: Family | undefined;
  /** Optimiser of experiments that name none; without a rate, that optimiser's default rate. */
  optimiser: { kind: OptimiserKind; rate?: number };
  tasks: readonly TaskKind[];
  /** What a unit of layer l sees: `block`, s^l tokens, less than a block of a higher level; `sentence`, everything. */
  sees: 'block' | 'sentence';
  causal?: boolean; // a unit sees only its own token and those before it
  colour: number; // index in the palette of figures
}

declare const defined: unique symbol;
/** The name of a model that `defineModel` or `loadModels` has registered: both return it. */
export type DefinedKind = string & { readonly [defined]: true };

/**
 * Options of your own models by name, for experiments that name them as text. Empty here; a program adds entries: `declare module
 * 'rhm-lab' { interface OwnModels { tower: { width?: number } } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: declarations of other modules are merged into it
export interface OwnModels {}

/** A model of your own in an experiment. */
export type OwnModelInput =
  | { [Kind in keyof OwnModels]: { kind: Kind } & OwnModels[Kind] }[keyof OwnModels]
  | { kind: DefinedKind; [option: string]: unknown };
