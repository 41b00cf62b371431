/** `rhm cluster`: hidden symbols found from correlations with the last token alone. */
import { type Command, InvalidArgumentError } from 'commander';
import { type ClusterCurve, clusterCurves, halvesOf } from '../../analysis/cluster.js';
import { showEstimate } from '../../analysis/format.js';
import { checkInteger, checkSeed } from '../../core/check.js';
import { makeRules } from '../../core/rules.js';
import { languageSize } from '../../grammar/derivations.js';
import { type CommandContext, integer } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber, sizesOf, weightsOf } from '../grammarOptions.js';

interface ClusterFlags extends GrammarFlags {
  seed: number;
  instances: number;
  levels?: number[];
  sentences?: number[];
  draws: number;
}

export function addCluster(program: Command, io: CommandContext): void {
  grammarOptions(program.command('cluster'))
    .description(
      'find the hidden symbols from correlations with the last token alone: k-means of p(last token | tuple), level by level; prints the ' +
        'adjusted Rand index with the true hidden symbols against P, and the P at which it reaches 1/2',
    )
    .option('--seed <seed>', 'seed of the rules and of the sentences', looseNumber, 0)
    .option(
      '--levels <list>',
      'levels of the common ancestor with the last token, such as 2,3 (default: 2 and 3)',
      list,
    )
    .option(
      '--sentences <list>',
      'values of P, the number of distinct sentences (default: 64 to 2^17 in factors of sqrt 2)',
      list,
    )
    .option('--draws <n>', 'independent draws of the sentences to average over', integer(1, 1000), 2)
    .option('--instances <k>', 'number of random grammars, with seeds seed .. seed+k-1', looseNumber, 1)
    .action(async (flags: ClusterFlags, command: Command) => {
      checkSeed(flags.seed);
      const { levels, sentences, draws, seed } = flags;
      const instances = checkInteger('instances', flags.instances, 1, 1000, 'random grammars');
      const rules = await loadGrammar(flags, seed);
      const shape = instances > 1 ? sizesOf({ ...flags, rules: undefined }) : rules; // throws if a rules file was given
      const found: ClusterCurve[][] = [];
      for (let i = 0; i < instances; i++) {
        const grammar = i ? makeRules(shape, seed + i, weightsOf(flags)) : rules;
        found.push(await clusterCurves(grammar, { levels, sentences, draws, seed: seed + i }));
        if (instances > 1) io.progress(`${i + 1} of ${instances} grammars`, i + 1 === instances);
      }
      const value = summary(found);
      const { v, n, m, s, L } = rules;
      await io.result(
        command,
        { grammar: { v, n, m, s, L }, sentences: languageSize(rules), instances, draws, levels: value },
        () => value.map(text).join('\n'),
      );
    });
}

/** Per level and form: means over grammars, and the P at 1/2 with its interval. */
function summary(found: readonly ClusterCurve[][]) {
  return found[0].map(({ level, form, points }, c) => {
    const curves = found.map((curves) => curves[c]);
    const mean = (get: (curve: ClusterCurve) => number) => curves.reduce((sum, x) => sum + get(x), 0) / curves.length;
    const half = halvesOf(curves);
    return {
      level,
      form,
      classes: mean((x) => x.classes),
      ceiling: mean((x) => x.ceiling),
      index: points.map(({ sentences }, i) => ({ sentences, index: mean((x) => x.points[i].index) })),
      half: half.bound === 'none' ? half.value : null,
      half_interval: half.bound === 'none' ? [half.low, half.high] : null,
      bound: half.bound === 'none' ? null : { [half.bound]: half.value },
      estimate: half,
    };
  });
}

function text({ level, form, classes, ceiling, index, estimate }: ReturnType<typeof summary>[number]): string {
  const points = index.map(({ sentences, index }) => `${sentences}: ${index.toFixed(2)}`).join(', ');
  return (
    `level ${level}, ${form}: index 1/2 at P = ${showEstimate(estimate)}; ${Number(classes.toFixed(1))} classes, ` +
    `exact ceiling ${ceiling.toFixed(2)}\n  ${points}`
  );
}

function list(value: string): number[] {
  const numbers = value.split(',').map(Number);
  if (!value.trim() || numbers.some((x) => !Number.isInteger(x)))
    throw new InvalidArgumentError(`got ${value}; pass whole numbers with commas between them, such as 2,3.`);
  return numbers;
}
