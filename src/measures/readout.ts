import { InputError } from '../core/errors.js';
import { largest } from '../core/softmax.js';
import { matmul } from '../kernels/matmul.js';
import { ridge } from '../kernels/ridge.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { elementsPerReplica } from '../plan/types.js';
import { addTestBatch, declareClock, observedSymbols } from './batch.js';

const FIT = 192; // sentences the read-out is fitted to
const CHECK = 128; // sentences its accuracy is counted on

/**
 * Accuracy of a linear read-out of a hidden symbol (the second to last of its level, the root at the top) from each layer:
 * ridge regression on one-hot symbols, fitted on 192 test sentences and counted on 128 others. By the Gram matrix of the layer,
 * so its cost hardly grows with the width.
 */
export const readout: MeasureSpec = {
  about: 'accuracy of a linear read-out of hidden symbols, per layer and level',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const { s, L, d } = shape;
  const { v, n } = members[0].rules;
  const batch = FIT + CHECK;
  const nodes = (d - 1) / (s - 1);
  const levels = observedSymbols(shape).map((symbol, i) => ({ ...symbol, first: i * v, classes: i === L - 1 ? n : v }));
  const columns = (L - 1) * v + n;
  const words = levels.flatMap(({ node, classes }) =>
    Array.from({ length: classes }, (_, symbol) => [node, symbol]).flat(),
  );

  const symbols = builder.persistent('measure/readout/hidden', [batch, nodes], 'u32');
  const targets = builder.persistent('measure/readout/targets', [columns, 2], 'u32');
  const plan = builder.plan('measure/readout');
  const tokens = plan.activation('tokens', [batch, d], 'u32');
  const seen = addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, 'readout') });
  const { hidden } = model.forward(plan, { tokens: seen, batch, training: false });
  if (!hidden.length) throw new InputError('measures: readout needs a hidden layer, a perceptron has none');
  const gram = plan.activation('gram', [hidden.length, batch, batch]);
  for (const [k, { activation }] of hidden.entries()) {
    const units = elementsPerReplica(activation) / batch;
    const rows = { tensor: activation, row: units };
    const c = { tensor: gram, offset: k * batch * batch };
    matmul(plan, {
      label: `gram, layer ${k + 1}`,
      form: 'NT',
      m: batch,
      n: batch,
      k: units,
      scale: 1 / units,
      a: rows,
      b: rows,
      c,
    });
  }
  const scores = builder.persistent('measure/readout/scores', [hidden.length, CHECK, columns]);
  ridge(plan, { label: 'read-out', gram, symbols, targets, scores });

  return {
    constants: [{ tensor: targets, data: Uint32Array.from(members.flatMap(() => words)) }],
    async read(loaded) {
      await loaded.run(plan.name);
      const [labels, outputs] = await Promise.all([loaded.read(symbols), loaded.read(scores)]);
      const accuracy = (replica: number, k: number, { node, first, classes }: (typeof levels)[number]) => {
        let right = 0;
        for (let b = 0; b < CHECK; b++) {
          const at = ((replica * hidden.length + k) * CHECK + b) * columns + first;
          const row = outputs.subarray(at, at + classes);
          if (!row.every(Number.isFinite)) return Number.NaN;
          right += Number(largest(row) === labels[(replica * batch + FIT + b) * nodes + node]);
        }
        return right / CHECK;
      };
      return members.flatMap((_, replica) =>
        hidden.flatMap((_, k) =>
          levels.map((level): MeasureValue => {
            const value = accuracy(replica, k, level);
            return { replica, name: 'readout', layer: k + 1, level: level.level, value };
          }),
        ),
      );
    },
  };
}
