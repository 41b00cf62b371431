import { InputError } from '../core/errors.js';
import { streamKey } from '../core/threefry.js';
import { CHANGE_WORDS, changeWords } from '../core/treeChange.js';
import { similarity } from '../kernels/similarity.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import type { Tensor } from '../plan/types.js';
import { addTestBatch, declareClock } from './batch.js';

const BATCH = 512;
const kinds = ['rule', 'symbol'] as const;

/**
 * S_rule and S_symbol of every (layer, level): mean cosine of the standardised activations before and after another rule (or
 * another symbol) is drawn at the second to last place of the level. (1 - S_rule) / (1 - S_symbol) falls from about 1 to 0 when
 * the layer has become invariant to synonyms. Source: arXiv:2505.07070; SCIENCE: measures of representation.
 */
export const invariance: MeasureSpec = {
  about: 'S_rule and S_symbol per layer and level: similarity under a change of rule or of symbol',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const { s, L } = shape;
  if (L < 2) throw new InputError('measures: invariance needs levels below the root; pass grammar.L >= 2');
  if (members[0].rules.m < 2)
    throw new InputError('measures: invariance needs several rules per symbol; pass grammar.m >= 2');
  if (members.some(({ language: { m, heldPairs } }) => heldPairs && m - heldPairs.held < 2))
    throw new InputError(
      'measures: invariance needs rules to choose between, and grammar.holdout leaves one below each; take a smaller grammar.holdout.fraction',
    );
  const levels = Array.from({ length: L - 1 }, (_, i) => i + 1);
  const clock = declareClock(context, 'invariance');
  const plan = builder.plan('measure/invariance');
  const pass = (change?: Tensor) => {
    const tokens = plan.activation('tokens', [BATCH, shape.d], 'u32');
    const seen = addTestBatch(context, plan, { tokens, clock, change });
    return model.forward(plan, { tokens: seen, batch: BATCH, training: false }).hidden;
  };
  const original = pass();
  const layers = original.length;
  if (!layers) throw new InputError('measures: invariance needs a hidden layer, which a perceptron lacks');
  const output = builder.persistent('measure/invariance/similarity', [levels.length * kinds.length * layers]);
  const constants: Measure['constants'] = [];
  const slots: Omit<MeasureValue, 'replica' | 'value'>[] = [];
  for (const level of levels)
    for (const kind of kinds) {
      const change = builder.persistent(`measure/invariance/${kind}.${level}`, [CHANGE_WORDS], 'u32');
      const depth = L - level;
      const data = new Uint32Array(CHANGE_WORDS * members.length);
      members.forEach(({ language, seed }, r) => {
        const key = streamKey(seed, 'measure', 2 * level + kinds.indexOf(kind));
        const words = changeWords(language, { kind, depth, position: s ** depth - 2, different: true, key });
        data.set(words, r * CHANGE_WORDS);
      });
      constants.push({ tensor: change, data });
      for (const [k, { activation }] of pass(change).entries()) {
        const options = { a: original[k].activation, b: activation, output, slot: slots.length };
        similarity(plan, { label: `${kind} at level ${level}, layer ${k + 1}`, ...options });
        slots.push({ name: `S_${kind}`, layer: k + 1, level });
      }
    }
  return {
    constants,
    async read(loaded) {
      await loaded.run(plan.name);
      const values = await loaded.read(output);
      return members.flatMap((_, replica) =>
        slots.map((slot, i) => ({ replica, ...slot, value: values[replica * slots.length + i] })),
      );
    },
  };
}
