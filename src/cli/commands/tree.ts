/** `rhm tree`: finds the tree of sentences whose positions are in an unknown order, from token pairs alone. */
import { type Command, InvalidArgumentError } from 'commander';
import { showNumber } from '../../analysis/format.js';
import { type TreePoint, treeCurve } from '../../analysis/tree.js';
import { checkInteger, checkSeed } from '../../core/check.js';
import { counted } from '../../core/counted.js';
import { InputError } from '../../core/errors.js';
import { sentenceLength } from '../../core/rules.js';
import { shuffledOrder } from '../../core/shuffle.js';
import { rowsOf } from '../../core/tokens.js';
import { type FoundTree, findTree, PairCounts, treeComplexity } from '../../theory/index.js';
import type { CommandContext } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber } from '../grammarOptions.js';
import { readRows } from '../ownData.js';

interface TreeFlags extends GrammarFlags {
  seed: number;
  shuffle?: number;
  sentences?: number[];
  tokens?: string;
}

export function addTree(program: Command, io: CommandContext): void {
  grammarOptions(program.command('tree'))
    .description(
      'recover the tree of sentences whose positions are shuffled, from the mutual information of token pairs: prints ' +
        'the groups of each level, their confidence, and the number P of sentences from which they are right, beside the law of token pairs; ' +
        'the order of positions inside a group cannot be recovered',
    )
    .option('--seed <seed>', 'seed of the rules and of the sentences', looseNumber, 0)
    .option(
      '--shuffle <seed>',
      'shuffle the positions as grammar.shuffle does; the last token stays last (default: the order of the tree)',
      looseNumber,
    )
    .option(
      '--sentences <list>',
      'values of P, the number of sentences (default: powers of 2 from 64 to four times the law)',
      list,
    )
    .option(
      '--tokens <file>',
      'use sentences of an unknown grammar (.npy, or as printed by rhm sample); -s gives the branching factor (default: 2)',
    )
    .action(async (flags: TreeFlags, command: Command) => {
      if (flags.tokens !== undefined) await ofTokens(flags, command, io);
      else await ofGrammar(flags, command, io);
    });
}

async function ofTokens(flags: TreeFlags, command: Command, io: CommandContext): Promise<void> {
  const other = (['rules', 'v', 'n', 'm', 'L', 'shuffle', 'sentences'] as const).find(
    (name) => flags[name] !== undefined,
  );
  if (other)
    throw new InputError(`--${other}: given together with --tokens, whose grammar is unknown; give one of them`);
  const { count, length, data } = rowsOf(readRows(flags.tokens!), MOST_SYMBOLS);
  const counts = new PairCounts(length, data.reduce((a, b) => Math.max(a, b), 1) + 1);
  counts.add(data, count);
  const tree = findTree(counts.information, flags.s ?? 2, count);
  await io.result(command, { sentences: count, ...treeJson(tree) }, () =>
    [counted(count, 'sentence'), ...treeText(tree)].join('\n'),
  );
}

const MOST_SYMBOLS = 2 ** 16;
const FEWEST = 64;
const MOST = 2 ** 18;

async function ofGrammar(flags: TreeFlags, command: Command, io: CommandContext): Promise<void> {
  const seed = checkSeed(flags.seed);
  const rules = await loadGrammar(flags, seed);
  const order =
    flags.shuffle === undefined ? undefined : shuffledOrder(sentenceLength(rules), checkSeed(flags.shuffle, 'shuffle'));
  const law = treeComplexity(rules);
  const sentences = flags.sentences ?? powers(Math.min(MOST, 4 * Math.max(...law.filter(Number.isFinite), FEWEST)));
  for (const P of sentences) checkInteger('sentences', P, 1, 2 ** 31, 'P');
  const points = await treeCurve(rules, { sentences, seed, order });
  const last = points[points.length - 1];
  const { v, n, m, s, L } = rules;
  const from = law.map((_, i) => rightFrom(points, i));
  const value = {
    grammar: { v, n, m, s, L },
    shuffle: flags.shuffle ?? null,
    law: law.map((P) => (Number.isFinite(P) ? P : null)),
    rightFrom: from,
    points: points.map(({ sentences, tree, right }) => ({ sentences, right, sure: tree.sure })),
    ...treeJson(last.tree),
  };
  await io.result(command, value, () =>
    [
      ...points.map(pointText),
      ...law.map(
        (P, i) =>
          `level ${i + 1}: ${from[i] === null ? 'not right at the largest P' : `right from P = ${showNumber(from[i]!)} on`}; law of token pairs ${showNumber(P)}`,
      ),
      ...treeText(last.tree),
    ].join('\n'),
  );
}

const powers = (to: number): number[] => {
  const list: number[] = [];
  for (let P = FEWEST; P < to; P *= 2) list.push(P);
  return [...list, Math.max(FEWEST, 2 ** Math.ceil(Math.log2(to)))];
};

/** Smallest P from which a level (counted from 0) is right at every larger P examined; null: it is wrong at the largest. */
function rightFrom(points: readonly TreePoint[], level: number): number | null {
  let from: number | null = null;
  for (const { sentences, right } of [...points].reverse()) {
    if (!right[level]) break;
    from = sentences;
  }
  return from;
}

const treeJson = ({ order, levels, sure }: FoundTree) => ({ order, levels, sure });

function pointText({ sentences, tree, right }: TreePoint): string {
  const parts = right.map(
    (ok, i) => `level ${i + 1} ${ok ? 'right' : 'wrong'} (confidence ${tree.sure[i].toFixed(2)})`,
  );
  return `P = ${showNumber(sentences)}: ${parts.join(', ')}`;
}

/** The groups of each level on one line, positions from 0. */
const treeText = ({ levels, sure }: FoundTree): string[] =>
  levels.map(
    (groups, i) =>
      `level ${i + 1}, confidence ${sure[i].toFixed(2)}: ${groups.map((g) => `(${g.join(' ')})`).join(' ')}`,
  );

function list(value: string): number[] {
  const numbers = value.split(',').map(Number);
  if (!value.trim() || numbers.some((x) => !Number.isInteger(x)))
    throw new InvalidArgumentError(`got ${value}; pass whole numbers with commas between them, such as 1000,4000.`);
  return numbers;
}
