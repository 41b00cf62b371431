/**
 * Types of experiments, from their schema. In the package, declarations that `sweep/tools/declarations.ts` prints from the same
 * schema stand in the place of this file's: they need no schema library, and say what each field is.
 */
import type * as z from 'zod';
import type { experimentSchema } from './experimentSchema.js';
import type { ModelTable } from './modelFacts.js';
import type { DefinedKind, OwnModelInput, OwnModels } from './modelTypes.js';
import type { OptimiserTable, optimiserSchema } from './optimisers.js';

type Parsed = z.infer<ReturnType<typeof experimentSchema>>;
type Input = z.input<ReturnType<typeof experimentSchema>>;

/** A model that comes with the program. */
export type ModelKind = keyof ModelTable;
export type OptimiserKind = keyof OptimiserTable;
export type Optimiser = z.infer<typeof optimiserSchema>;

/** One immutable description of a run. Everything that decides its bits is in here. */
export type Experiment = Readonly<Omit<Parsed, 'optimiser'> & { optimiser: NonNullable<Parsed['optimiser']> }>;

/** What a user may write: every field optional, `model: 'hcnn'` short for `model: { kind: 'hcnn' }`. */
export type ExperimentInput = Constant<Omit<Input, keyof Shorthands>> & Shorthands;

/** Fields that may be given as a bare name. */
interface Shorthands {
  readonly model?: ModelInput | ModelKind | keyof OwnModels | DefinedKind;
  readonly optimiser?: OptimiserInput | OptimiserKind;
  readonly task?: Constant<Input['task']> | Parsed['task']['kind'];
  readonly schedule?: Constant<Input['schedule']> | Parsed['schedule']['kind'];
}

type Models = NonNullable<Input['model']>;
type Optimisers = NonNullable<Input['optimiser']>;

/** A model and its options; without `kind`, hcnn. One's own: see `OwnModels`. */
export type ModelInput = Constant<Models | Unnamed<Extract<Models, { kind: 'hcnn' }>>> | OwnModelInput;

/** An optimiser and its hyperparameters; without `kind`, the model's own. */
export type OptimiserInput = Constant<Optimisers | Unnamed<Optimisers>>;

type Unnamed<Variant> = Variant extends unknown ? Omit<Variant, 'kind'> & { kind?: undefined } : never;
/** Readonly all the way down, so that it takes what `as const` makes. */
type Constant<Value> = Value extends object ? { readonly [Name in keyof Value]: Constant<Value[Name]> } : Value;
