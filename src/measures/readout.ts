import { matmul } from '../kernels/matmul.js';
import { ridge } from '../kernels/ridge.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { elementsPerReplica } from '../plan/types.js';
import { observedSymbols } from './batch.js';
import { accuracyOf, addSentences, CHECK, FIT } from './linearReadout.js';

/**
 * Accuracy of a linear read-out of a hidden symbol (the second to last of its level, the root at the top) from each layer: ridge
 * regression on one-hot symbols, fitted on 192 test sentences and evaluated on 128 others. Computed from the Gram matrix of the
 * layer, so that its cost hardly grows with the width.
 */
export const readout: MeasureSpec = {
  about: 'accuracy of a linear read-out of hidden symbols, per layer and level',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, shape, members } = context;
  const { L } = shape;
  const { v, n } = members[0].rules;
  const levels = observedSymbols(shape).map((symbol, i) => ({ ...symbol, first: i * v, classes: i === L - 1 ? n : v }));
  const columns = (L - 1) * v + n;
  const predicted = levels.flatMap(({ node, classes }) =>
    Array.from({ length: classes }, (_, symbol) => [node, symbol]),
  );

  const { batch, nodes, symbols, targets, plan, hidden, constants } = addSentences(context, 'readout', predicted);
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
    constants,
    async read(loaded) {
      await loaded.run(plan.name);
      const [labels, outputs] = await Promise.all([loaded.read(symbols), loaded.read(scores)]);
      const accuracy = (replica: number, k: number, { node, first, classes }: (typeof levels)[number]) =>
        accuracyOf(
          (b) => {
            const at = ((replica * hidden.length + k) * CHECK + b) * columns + first;
            return (outputs as Float32Array).subarray(at, at + classes);
          },
          (b) => labels[(replica * batch + FIT + b) * nodes + node],
        );
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
