import { InputError } from '../core/errors.js';
import { drawFrom, largest } from '../core/softmax.js';
import { type TaskSpec, tasks, tasksWith } from '../core/tasks.js';
import { streamKey, threefry } from '../core/threefry.js';
import { Parser } from '../grammar/parser.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { addTestBatch, declareClock } from './batch.js';

const BATCH = 512;

/**
 * Fraction of test sentences whose last s^level tokens derive from one symbol after the last token is replaced by the network's:
 * the most probable one (`grammatical`), or one drawn from its probabilities (`grammatical-sampled`).
 */
export const grammaticality: MeasureSpec = {
  about: 'fraction of predicted and of sampled last tokens that obey the rules, per level',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const isMeasured = ({ targets, masks }: TaskSpec) => targets === 'tokens' && !masks;
  if (!isMeasured(tasks[shape.task]))
    throw new InputError(
      `measures: grammaticality needs a last token predicted from all others; pass task.kind ${tasksWith(isMeasured)}`,
    );
  const { d, L, classes: v } = shape;
  const tokens = builder.persistent('measure/grammaticality/tokens', [BATCH, d], 'u32');
  const plan = builder.plan('measure/grammaticality');
  const seen = addTestBatch(context, plan, { tokens, clock: declareClock(context, 'grammaticality') });
  const { logits } = model.forward(plan, { tokens: seen, batch: BATCH, training: false });
  const parsers = members.map(({ rules }) => new Parser(rules));
  return {
    constants: [],
    async read(loaded) {
      await loaded.run(plan.name);
      const [sentences, scores] = await Promise.all([loaded.read(tokens), loaded.read(logits)]);
      const perReplica = scores.length / members.length;
      const perSentence = perReplica / BATCH; // the last v of them belong to the last token
      return members.flatMap(({ seed }, replica) => {
        const key = streamKey(seed, 'generate', 1);
        const rows = sentences.slice(replica * BATCH * d, (replica + 1) * BATCH * d);
        const score = (b: number) => {
          const end = replica * perReplica + (b + 1) * perSentence;
          return scores.subarray(end - v, end) as Float32Array;
        };
        const consistency = (choose: (row: Float32Array, b: number) => number) => {
          for (let b = 0; b < BATCH; b++) rows[b * d + d - 1] = choose(score(b), b);
          return parsers[replica].lastTokenConsistency(rows, BATCH).slice(1);
        };
        const values = (name: string, fractions: number[]): MeasureValue[] =>
          fractions.map((value, i) => ({ replica, name, level: i + 1, value }));
        if (!scores.slice(replica * perReplica, (replica + 1) * perReplica).every(Number.isFinite))
          return ['grammatical', 'grammatical-sampled'].flatMap((n) => values(n, new Array(L).fill(Number.NaN)));
        return [
          ...values(
            'grammatical',
            consistency((row) => largest(row)),
          ),
          ...values(
            'grammatical-sampled',
            consistency((row, b) => drawFrom(row, threefry(key, b, 0)[0] / 2 ** 32)),
          ),
        ];
      });
    },
  };
}
