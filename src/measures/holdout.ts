import { InputError } from '../core/errors.js';
import { grammarImage } from '../core/grammarImage.js';
import { type HeldSet, heldSets, relatedLanguage } from '../core/holdout.js';
import type { Rules } from '../core/rules.js';
import { SOURCE_WORDS, type Source, sourceWords } from '../core/sampleSource.js';
import { largest, probabilitiesOf } from '../core/softmax.js';
import { type TaskSpec, tasks, tasksWith } from '../core/tasks.js';
import { streamKey } from '../core/threefry.js';
import { canPermute } from '../grammar/dataset.js';
import { countDerivations } from '../grammar/derivations.js';
import { Parser } from '../grammar/parser.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import type { Tensor } from '../plan/types.js';
import { divergence, judge, type TwoPredictors, twoPredictors } from '../theory/heldOut.js';
import { addTestBatch, declareClock } from './batch.js';

const BATCH = 1024;

/**
 * Networks on sentences without held-out pairs and with some (`grammar.holdout`). For each set, with its name after a dash: loss and
 * accuracy of the last token; `grammatical`, per level, as in the measure grammaticality; `from-grammar` and `from-surface`, the mean
 * divergence of the network in nats from the exact predictor of the whole grammar, and from that of the training language given the longest
 * end of the context that occurs in it: these show which of the two the network follows. Sets: `without`, the first test sentences;
 * `context`, whose held-out pairs are all in the context; `last`, whose last token is below one. The question is from arXiv:2404.16367.
 */
export const holdout: MeasureSpec = {
  about: 'with grammar.holdout: predictions after held-out pairs, and their distance from two exact predictors',
  needs: 'holdout',
  build,
};

interface Looked {
  set: HeldSet;
  plan: string;
  tokens: Tensor;
  logits: Tensor;
}

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const isMeasured = ({ targets, masks }: TaskSpec) => targets === 'tokens' && !masks;
  if (!members.every(({ language }) => language.heldPairs))
    throw new InputError(
      'measures: holdout applies to pairs of rules held out of training; set grammar.holdout, or leave it out',
    );
  if (!isMeasured(tasks[shape.task]))
    throw new InputError(
      `measures: holdout uses a last token predicted from all others; take task.kind ${tasksWith(isMeasured)}`,
    );
  const { d, L, classes: v } = shape;
  if (shape.length < d) throw new InputError('measures: holdout applies to whole contexts; leave task.context out');
  const constants: Measure['constants'] = [];
  const looked = heldSets.map((set): Looked => {
    const name = `measure/holdout/${set}`;
    const plan = builder.plan(name);
    const tokens = builder.persistent(`${name}/tokens`, [BATCH, d], 'u32');
    const clock = declareClock(context, `holdout/${set}`);
    const seen = addTestBatch(context, plan, { tokens, clock }, setOf(context, set, constants));
    const { logits } = model.forward(plan, { tokens: seen, batch: BATCH, training: false });
    return { set, plan: plan.name, tokens, logits };
  });
  const parsers = members.map(({ rules }) => new Parser(rules));
  const known = new Map<HeldSet, TwoPredictors[]>();
  return {
    constants,
    async read(loaded) {
      const values: MeasureValue[] = [];
      for (const { set, plan, tokens, logits } of looked) {
        await loaded.run(plan);
        const [sentences, scores] = await Promise.all([loaded.read(tokens), loaded.read(logits)]);
        const rowsOf = (r: number) => sentences.slice(r * BATCH * d, (r + 1) * BATCH * d);
        const exact = known.get(set) ?? members.map(({ language }, r) => twoPredictors(language, rowsOf(r), BATCH));
        known.set(set, exact);
        for (const [replica, predictors] of exact.entries()) {
          const all = scores.length / members.length; // the last v of each sentence's belong to the last token
          const rows = rowsOf(replica);
          const own = new Float64Array(BATCH * v);
          for (let b = 0; b < BATCH; b++) {
            const end = replica * all + ((b + 1) * all) / BATCH;
            own.set(probabilitiesOf(scores.subarray(end - v, end) as Float32Array), b * v);
          }
          const put = (name: string, value: number, level?: number) =>
            values.push({ replica, name: `${name}-${set}`, ...(level && { level }), value });
          const broken = !own.every(Number.isFinite);
          const { loss, accuracy } = judge(own, rows, BATCH);
          put('loss', broken ? Number.NaN : loss);
          put('accuracy', broken ? Number.NaN : accuracy);
          put('from-grammar', divergence(predictors.grammar, own, BATCH));
          put('from-surface', divergence(predictors.surface, own, BATCH));
          for (let b = 0; b < BATCH; b++) rows[(b + 1) * d - 1] = largest(own.subarray(b * v, (b + 1) * v));
          const passed = parsers[replica].lastTokenConsistency(rows, BATCH);
          for (let level = 1; level <= L; level++) put('grammatical', broken ? Number.NaN : passed[level], level);
        }
      }
      return values;
    },
  };
}

/** The source of a set's sentences; undefined: the test set. */
function setOf({ builder, members }: MeasureContext, set: HeldSet, constants: Measure['constants']) {
  if (set === 'without') return undefined;
  const languages = members.map(({ language }) => relatedLanguage(language, set));
  const images = languages.map(grammarImage);
  const words = Math.max(...images.map(({ length }) => length));
  const grammar = builder.persistent(`measure/holdout/${set}/grammar`, [words], 'u32');
  const source = builder.persistent(`measure/holdout/${set}/source`, [SOURCE_WORDS], 'u32');
  const put = (tensor: Tensor, rows: readonly Uint32Array[], width: number) => {
    const data = new Uint32Array(width * rows.length);
    for (const [r, row] of rows.entries()) data.set(row, r * width);
    constants.push({ tensor, data });
  };
  put(grammar, images, words);
  const sources = members.map(({ seed }, r) => heldSource(languages[r], seed, set));
  put(source, sources.map(sourceWords), SOURCE_WORDS);
  return { grammar, source, endless: sources.every(({ mode }) => mode === 'stream') };
}

/** Distinct sentences if they can be numbered; a language with fewer is repeated. */
function heldSource(language: Rules, seed: number, set: HeldSet): Source {
  const key = streamKey(seed, 'test', 1 + heldSets.indexOf(set));
  if (!canPermute(language)) return { mode: 'stream', key, size: 0n, first: 0, length: 0 };
  const size = countDerivations(language);
  return { mode: 'permutation', key, size, first: 0, length: size < BATCH ? Number(size) : BATCH };
}
