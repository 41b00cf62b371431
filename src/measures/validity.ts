import { InputError } from '../core/errors.js';
import { MaskedSweeps } from '../core/sweeps.js';
import { tasks, tasksWith } from '../core/tasks.js';
import { streamKey } from '../core/threefry.js';
import { Parser } from '../grammar/parser.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';

const BATCH = 256;
const MOST_SWEEPS = 32;

/**
 * Fraction of sentences, written from nothing by a network of masked tokens, that obey the rules up to each level: one token at a time,
 * in an order drawn for each sentence (in 32 sweeps if it has more tokens). The question is from arXiv:2502.12089.
 */
export const validity: MeasureSpec = {
  about: 'fraction of sentences that a network of masked tokens writes in sweeps and that obey the rules, per level',
  needs: 'masks',
  build,
};

function build({ builder, model, shape, members }: MeasureContext): Measure {
  const { d, length, v, L } = shape;
  if (!tasks[shape.task].masks)
    throw new InputError(
      `measures: validity applies to networks that fill in masked tokens; take task.kind ${tasksWith(({ masks }) => masks)}, or grammaticality`,
    );
  if (length < d) throw new InputError('measures: validity applies to whole sentences; leave task.context out');
  const tokens = builder.persistent('measure/validity/tokens', [BATCH, d], 'u32');
  const plan = builder.plan('measure/validity');
  const { logits } = model.forward(plan, { tokens, batch: BATCH, training: false });
  const parsers = members.map(({ rules }) => new Parser(rules));
  return {
    constants: [],
    async read(loaded) {
      const sweeps = members.map(
        ({ seed }) =>
          new MaskedSweeps({
            ...{ count: BATCH, length, v, sweeps: Math.min(length, MOST_SWEEPS) },
            key: streamKey(seed, 'generate', 3),
          }),
      );
      const broken = new Set<number>(); // replicas whose network gives values that are not finite
      const all = new Uint32Array(members.length * BATCH * d);
      while (!sweeps[0].isDone) {
        for (const [r, own] of sweeps.entries()) all.set(own.tokens, r * BATCH * d);
        loaded.write(tokens, all);
        await loaded.run(plan.name);
        const scores = (await loaded.read(logits)) as Float32Array;
        const size = BATCH * length * v;
        for (const [r, own] of sweeps.entries()) {
          const mine = scores.subarray(r * size, (r + 1) * size);
          if (!mine.every(Number.isFinite)) broken.add(r);
          own.fill(broken.has(r) ? new Float32Array(size) : mine);
        }
      }
      return sweeps.flatMap((own, replica) => {
        const valid = broken.has(replica) ? [] : parsers[replica].consistency(own.tokens, BATCH);
        return Array.from({ length: L }, (_, i): MeasureValue => {
          return { replica, name: 'valid', level: i + 1, value: valid[i + 1] ?? Number.NaN };
        });
      });
    },
  };
}
