/** A measure of representation: it adds plans to the training program and reads their results. */
import type { Rules } from '../core/rules.js';
import type { PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import type { LoadedProgram } from '../plan/executor.js';
import type { Tensor } from '../plan/types.js';
import type { Model, ModelShape } from './types.js';

export interface MeasureContext {
  builder: ProgramBuilder;
  model: Model;
  shape: ModelShape;
  /** One per replica. language: the source of its sentences, rules: the whole grammar. */
  members: readonly { rules: Rules; language: Rules; seed: number }[];
  grammar: Tensor; // u32 [R, G]
  testSource: Tensor; // u32 [R, 16], source of sentences that are not trained on
  holds: boolean; // some replica has held-out pairs of rules, which the operation sample needs to know
  endless: boolean; // the test source is a stream without epochs in every replica
  /** If positions are shuffled: adds the call that puts tokens, u32 [R, B, d], in the order in which they are shown. */
  shuffle?: (plan: PlanBuilder, tokens: Tensor) => Tensor;
  masks?: { law: Tensor; keys: Tensor }; // if tokens are masked: those of the test set, as the operation mask takes them
  gradients: Tensor; // [R, P], gradients of the last step
  unscale?: Tensor; // pace [R, 4], whose word `unscale` removes the loss factor from the gradients; absent: there is none
}

/** One number of one replica, for the records. */
export interface MeasureValue {
  replica: number;
  name: string;
  layer?: number; // hidden layers counted from 1 at the input
  level?: number; // counted from the leaves
  value: number;
  map?: number[][]; // the numbers that `value` summarises: [positions of the layer, symbols of the level]
}

export interface Measure {
  /** Initial values of tensors that do not change. */
  constants: { tensor: Tensor; data: Uint32Array | Float32Array }[];
  /** Runs its plans with the current weights. */
  read(loaded: LoadedProgram): Promise<MeasureValue[]>;
}

export interface MeasureSpec {
  /** One line for help texts. */
  about: string;
  /** Can also be computed for networks whose sentences do not come from a grammar. */
  needsNoGrammar?: true;
  /**
   * Can only be computed for these experiments: networks that fill in masked tokens, held-out pairs of rules, or prediction of every
   * hidden symbol.
   */
  needs?: 'masks' | 'holdout' | 'hidden';
  /** @throws InputError if the experiment has nothing to measure. */
  build(context: MeasureContext): Measure;
}

export type MeasureTable = Readonly<Record<string, MeasureSpec>>;
