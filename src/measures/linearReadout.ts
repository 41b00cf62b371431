/**
 * Common parts of linear read-outs of hidden symbols: the sentences to fit and to check on, the targets, and the fraction that is
 * right.
 */
import { InputError } from '../core/errors.js';
import { largest } from '../core/softmax.js';
import type { MeasureContext } from '../models/measure.js';
import { addTestBatch, declareClock } from './batch.js';

export const FIT = 192; // sentences to which a read-out is fitted
export const CHECK = 128; // sentences on which its accuracy is computed

/**
 * The plan of a measure, up to the hidden layers of FIT + CHECK test sentences. targets: [node, symbol] of each predicted column.
 * @throws InputError for a network without hidden layers
 */
export function addSentences(context: MeasureContext, measure: string, targets: readonly (readonly number[])[]) {
  const { builder, model, shape, members } = context;
  const { s, d } = shape;
  const batch = FIT + CHECK;
  const nodes = (d - 1) / (s - 1);
  const symbols = builder.persistent(`measure/${measure}/hidden`, [batch, nodes], 'u32');
  const columns = builder.persistent(`measure/${measure}/targets`, [targets.length, 2], 'u32');
  const plan = builder.plan(`measure/${measure}`);
  const tokens = plan.activation('tokens', [batch, d], 'u32');
  const seen = addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, measure) });
  const { hidden } = model.forward(plan, { tokens: seen, batch, training: false });
  if (!hidden.length) throw new InputError(`measures: ${measure} needs a hidden layer, which a perceptron lacks`);
  const constants = [{ tensor: columns, data: Uint32Array.from(members.flatMap(() => targets.flat())) }];
  return { batch, nodes, symbols, targets: columns, plan, hidden, constants };
}

/**
 * Fraction of the CHECK sentences whose largest score is that of the label; NaN if a score is not a number. score: of sentence b, by class.
 */
export function accuracyOf(score: (b: number) => Float32Array, label: (b: number) => number): number {
  let right = 0;
  for (let b = 0; b < CHECK; b++) {
    const row = score(b);
    if (!row.every(Number.isFinite)) return Number.NaN;
    right += Number(largest(row) === label(b));
  }
  return right / CHECK;
}
