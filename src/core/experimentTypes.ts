/**
 * Types of experiments, inferred from their schema. In the package, declarations that `sweep/tools/declarations.ts` prints from
 * the same schema replace those of this file: they need no schema library and describe each field.
 */
import type * as z from 'zod';
import type { experimentSchema } from './experimentSchema.js';
import type { ModelTable } from './modelFacts.js';
import type { DefinedKind, OwnModelInput, OwnModels } from './modelTypes.js';
import type { OptimiserTable, optimiserSchema } from './optimisers.js';

type Parsed = z.infer<ReturnType<typeof experimentSchema>>;
type Input = z.input<ReturnType<typeof experimentSchema>>;

/** A model that is part of the program. */
export type ModelKind = keyof ModelTable;
export type OptimiserKind = keyof OptimiserTable;
export type Optimiser = z.infer<typeof optimiserSchema>;

/** The immutable description of a run. Everything that determines its bits is in here. */
export type Experiment = Readonly<Omit<Parsed, 'optimiser'> & { optimiser: NonNullable<Parsed['optimiser']> }>;

/** What a user may write: every field optional, `model: 'hcnn'` short for `model: { kind: 'hcnn' }`. */
export type ExperimentInput = Constant<Omit<Input, keyof Shorthands>> & Shorthands;

/** Fields that may be given as just a name. */
interface Shorthands {
  readonly model?: ModelInput | ModelKind | keyof OwnModels | DefinedKind;
  readonly optimiser?: OptimiserInput | OptimiserKind;
  readonly task?: Constant<Input['task']> | Parsed['task']['kind'];
  readonly schedule?: Constant<Input['schedule']> | Parsed['schedule']['kind'];
}

type Models = NonNullable<Input['model']>;
type Optimisers = NonNullable<Input['optimiser']>;

/** A model and its options; without `kind`, hcnn. For models of your own see `OwnModels`. */
export type ModelInput = Constant<Models | Unnamed<Extract<Models, { kind: 'hcnn' }>>> | OwnModelInput;

/** An optimiser and its hyperparameters; without `kind`, the model's own. */
export type OptimiserInput = Constant<Optimisers | Unnamed<Optimisers>>;

type Unnamed<Variant> = Variant extends unknown ? Omit<Variant, 'kind'> & { kind?: undefined } : never;
/** Readonly at every depth, so that it accepts values declared `as const`. */
type Constant<Value> = Value extends object ? { readonly [Name in keyof Value]: Constant<Value[Name]> } : Value;
