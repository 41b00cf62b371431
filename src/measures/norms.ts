import { reduce } from '../kernels/reduce.js';
import type { MeasureSpec } from '../models/measure.js';

/** Euclidean norms of all weights and of the last step's gradient. */
export const norms: MeasureSpec = {
  about: 'norms of the weights and of the last gradient',
  needsNoGrammar: true,
  build({ builder, gradients, members }) {
    const plan = builder.plan('measure/norms');
    const inputs = { 'weight-norm': builder.block('params'), 'gradient-norm': gradients };
    const sums = Object.entries(inputs).map(([name, input]) => {
      const sums = builder.persistent(`measure/norms/${name}`, [2]);
      reduce(plan, { label: name, input, sums, nonFinite: plan.activation('bad', [1], 'u32') });
      return { name, sums };
    });
    return {
      constants: [],
      async read(loaded) {
        await loaded.run(plan.name);
        const read = await Promise.all(sums.map((s) => loaded.read(s.sums)));
        return members.flatMap((_, replica) =>
          sums.map(({ name }, i) => ({ replica, name, value: Math.sqrt(read[i][2 * replica + 1]) })),
        );
      },
    };
  },
};
