import { PACE_WORDS, paceWords } from '../core/clock.js';
import { reduce } from '../kernels/reduce.js';
import type { MeasureSpec } from '../models/measure.js';

/** Euclidean norms of all weights and of the last step's gradient. */
export const norms: MeasureSpec = {
  about: 'norms of the weights and of the last gradient',
  needsNoGrammar: true,
  build({ builder, gradients, unscale, members }) {
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
        const pace = unscale && (await loaded.read(unscale));
        return members.flatMap((_, replica) =>
          sums.flatMap(({ name }, i) => {
            const scaled = pace && name === 'gradient-norm';
            const factor = scaled ? pace[replica * PACE_WORDS + paceWords.unscale] : 1;
            // The gradient of a skipped step is not known.
            return factor === 0 ? [] : [{ replica, name, value: factor * Math.sqrt(read[i][2 * replica + 1]) }];
          }),
        );
      },
    };
  },
};
