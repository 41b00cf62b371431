import { InputError } from '../core/errors.js';
import { matmul } from '../kernels/matmul.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { elementsPerReplica } from '../plan/types.js';
import { addTestBatch, declareClock } from './batch.js';
import { ridgeAccuracy } from './ridge.js';

const FIT = 192; // sentences the read-out is fitted to
const CHECK = 128; // sentences its accuracy is counted on

/**
 * Accuracy of a linear read-out of a hidden symbol (the second to last of its level, the root at the top) from each layer:
 * ridge regression on one-hot symbols, fitted on 192 test sentences and counted on 128 others. By the Gram matrix of the layer,
 * which the device computes, so its cost does not grow with the width.
 */
export const readout: MeasureSpec = {
  about: 'accuracy of a linear read-out of hidden symbols, per layer and level',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const { s, L, d } = shape;
  const batch = FIT + CHECK;
  const nodes = (d - 1) / (s - 1);
  const symbols = builder.persistent('measure/readout/hidden', [batch, nodes], 'u32');
  const plan = builder.plan('measure/readout');
  const tokens = plan.activation('tokens', [batch, d], 'u32');
  addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, 'readout') });
  const { hidden } = model.forward(plan, { tokens, batch, training: false });
  if (!hidden.length) throw new InputError('measures: readout needs a hidden layer, a perceptron has none');
  const grams = hidden.map(({ activation }, k) => {
    const gram = builder.persistent(`measure/readout/gram.${k}`, [batch, batch]);
    const units = elementsPerReplica(activation) / batch;
    const rows = { tensor: activation, row: units };
    const sizes = { form: 'NT' as const, m: batch, n: batch, k: units, scale: 1 / units };
    matmul(plan, { label: `gram, layer ${k + 1}`, ...sizes, a: rows, b: rows, c: { tensor: gram } });
    return gram;
  });
  const levels = Array.from({ length: L }, (_, i) => i + 1);
  return {
    constants: [],
    async read(loaded) {
      await loaded.run(plan.name);
      const [all, ...matrices] = await Promise.all([symbols, ...grams].map((tensor) => loaded.read(tensor)));
      const values: MeasureValue[] = [];
      for (const [k, gram] of matrices.entries()) {
        for (const [replica, { rules }] of members.entries()) {
          const targets = levels.map((level) => {
            const depth = L - level;
            const node = (s ** depth - 1) / (s - 1) + Math.max(0, s ** depth - 2);
            const of = (b: number) => all[(replica * batch + b) * nodes + node];
            return { classes: depth === 0 ? rules.n : rules.v, labels: Array.from({ length: batch }, (_, b) => of(b)) };
          });
          const mine = gram.subarray(replica * batch * batch, (replica + 1) * batch * batch);
          ridgeAccuracy(mine, FIT, targets).forEach((value, i) => {
            values.push({ replica, name: 'readout', layer: k + 1, level: levels[i], value });
          });
        }
      }
      return values.sort((a, b) => a.replica - b.replica);
    },
  };
}
