/** What a measure of representation is: it adds plans of its own to the training program and reads what they leave. */
import type { Rules } from '../core/rules.js';
import type { PlanBuilder, ProgramBuilder } from '../plan/builder.js';
import type { LoadedProgram } from '../plan/executor.js';
import type { Tensor } from '../plan/types.js';
import type { Model, ModelShape } from './types.js';

export interface MeasureContext {
  builder: ProgramBuilder;
  model: Model;
  shape: ModelShape;
  /** One a replica. language: what its sentences are drawn from, rules: the whole grammar. */
  members: readonly { rules: Rules; language: Rules; seed: number }[];
  grammar: Tensor; // u32 [R, G]
  testSource: Tensor; // u32 [R, 16], sentences that are not trained on
  holds: boolean; // in some replica they hold pairs of rules out, which the operation sample needs to know
  endless: boolean; // the test source is a stream without epochs in every replica
  /** Where positions are shuffled: adds what puts tokens, u32 [R, B, d], in the order that is shown. */
  shuffle?: (plan: PlanBuilder, tokens: Tensor) => Tensor;
  masks?: { law: Tensor; keys: Tensor }; // where tokens are masked: of the test set, as the operation mask takes them
  gradients: Tensor; // [R, P], of the last step
  unscale?: Tensor; // pace [R, 4], whose word `unscale` takes the loss's factor off the gradients; absent: they carry none
}

/** One number of one replica, as it goes into the records. */
export interface MeasureValue {
  replica: number;
  name: string;
  layer?: number; // hidden layers counted from 1 at the input
  level?: number; // counted from the leaves
  value: number;
  map?: number[][]; // what `value` sums up: [positions of the layer, symbols of the level]
}

export interface Measure {
  /** Initial values of tensors that do not change. */
  constants: { tensor: Tensor; data: Uint32Array | Float32Array }[];
  /** Runs its plans at the current weights. */
  read(loaded: LoadedProgram): Promise<MeasureValue[]>;
}

export interface MeasureSpec {
  /** One line for help texts. */
  about: string;
  /** Says something of networks whose sentences come from no grammar too. */
  needsNoGrammar?: true;
  /** Is about these experiments alone: networks that fill in masked tokens, pairs of rules held out, or every hidden symbol predicted. */
  needs?: 'masks' | 'holdout' | 'hidden';
  /** @throws InputError when the experiment offers nothing to measure. */
  build(context: MeasureContext): Measure;
}

export type MeasureTable = Readonly<Record<string, MeasureSpec>>;
