import { InputError } from '../core/errors.js';
import { largest } from '../core/softmax.js';
import { tasks, tasksWith } from '../core/tasks.js';
import type { Measure, MeasureContext, MeasureSpec, MeasureValue } from '../models/measure.js';
import { consistentTrees } from '../theory/index.js';
import { addTestBatch, declareClock } from './batch.js';

const BATCH = 512; // test sentences: a fraction has a standard error of at most 0.022
const MOST_SCORES = 2 ** 25; // for one replica; 128 MiB

/**
 * For a network that predicts every hidden symbol: the fraction of sentences whose symbols are all right, by the largest score of each
 * symbol (`parsed`) and by the tree that agrees best with all scores (`parsed-consistent`, see consistentTrees); with a level, the
 * fraction of that level's symbols; and the fraction of sentences whose largest scores already form a tree (`consistent`). An exact
 * parser reaches 1: each tuple has one parent, so that tokens determine all symbols.
 */
export const parsing: MeasureSpec = {
  about:
    'fraction of sentences parsed completely right, by the largest scores and by the best consistent tree; per level',
  needs: 'hidden',
  build,
};

function build(context: MeasureContext): Measure {
  const { builder, model, shape, members } = context;
  const { s, L, d, classes, task } = shape;
  if (tasks[task].targets !== 'hidden')
    throw new InputError(
      `measures: parsing applies to networks that predict every hidden symbol; take task.kind ${tasksWith(({ targets }) => targets === 'hidden')}, or probes, which reads them from other networks`,
    );
  const nodes = tasks[task].rows!(shape);
  if (BATCH * nodes * classes > MOST_SCORES)
    throw new InputError(
      `measures: parsing of ${nodes} hidden symbols of ${classes} would hold ${BATCH * nodes * classes} numbers, over the limit of ${MOST_SCORES}; take a smaller grammar.L or v`,
    );
  const plan = builder.plan('measure/parsing');
  const tokens = plan.activation('tokens', [BATCH, d], 'u32');
  const symbols = builder.persistent('measure/parsing/hidden', [BATCH, nodes], 'u32');
  const seen = addTestBatch(context, plan, { tokens, hidden: symbols, clock: declareClock(context, 'parsing') });
  const { logits } = model.forward(plan, { tokens: seen, batch: BATCH, training: false });
  return {
    constants: [],
    async read(loaded) {
      await loaded.run(plan.name);
      const [truth, all] = await Promise.all([loaded.read(symbols), loaded.read(logits)]);
      return members.flatMap(({ rules }, replica) => {
        const own = truth.subarray(replica * BATCH * nodes, (replica + 1) * BATCH * nodes);
        const size = BATCH * nodes * classes;
        const scores = (all as Float32Array).subarray(replica * size, (replica + 1) * size);
        const isNumber = scores.every(Number.isFinite);
        const each = Uint32Array.from(own, (_, i) => largest(scores.subarray(i * classes, (i + 1) * classes)));
        const tree = isNumber ? consistentTrees(rules, scores, BATCH, classes) : each;
        const value = (name: string, x: number, level?: number): MeasureValue => ({
          ...{ replica, name, ...(level !== undefined && { level }) },
          value: isNumber ? x : Number.NaN,
        });
        return [
          ...[['parsed', each] as const, ['parsed-consistent', tree] as const].flatMap(([name, labels]) => [
            value(name, equalRows(labels, own, nodes)),
            ...Array.from({ length: L }, (_, i) => {
              const count = s ** (L - i - 1);
              return value(name, symbolsRight(labels, own, nodes, (count - 1) / (s - 1), count), i + 1);
            }),
          ]),
          value('consistent', equalRows(each, tree, nodes)),
        ];
      });
    },
  };
}

/** Fraction of rows [rows, nodes] that are equal. */
function equalRows(a: ArrayLike<number>, b: ArrayLike<number>, nodes: number): number {
  const rows = a.length / nodes;
  let equal = 0;
  for (let row = 0; row < rows; row++) {
    let i = 0;
    while (i < nodes && a[row * nodes + i] === b[row * nodes + i]) i++;
    equal += Number(i === nodes);
  }
  return equal / rows;
}

/** Fraction of the symbols at those nodes that are equal. */
function symbolsRight(a: ArrayLike<number>, b: ArrayLike<number>, nodes: number, first: number, count: number): number {
  let equal = 0;
  for (let i = 0; i < a.length; i++)
    if (i % nodes >= first && i % nodes < first + count) equal += Number(a[i] === b[i]);
  return (equal * nodes) / (a.length * count);
}
