/** `rhm infer`: posteriors of all symbols of a tree, given tokens that may be hidden or noisy. */
import type { Command } from 'commander';
import { checkSeed } from '../../core/check.js';
import { InputError } from '../../core/errors.js';
import { type Rules, sentenceLength } from '../../core/rules.js';
import { mostProbableTrees, type Observation, type Observations, posteriors } from '../../theory/index.js';
import { type CommandContext, number } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber } from '../grammarOptions.js';
import { readObservations } from '../ownData.js';

interface InferFlags extends GrammarFlags {
  seed: number;
  tokens: string;
  hide?: string;
  noise: number;
  allowContradictions?: boolean;
}

export function addInfer(program: Command, io: CommandContext): void {
  grammarOptions(program.command('infer'))
    .description(
      'exact inference by belief propagation: for each sentence the log likelihood of its visible tokens in nats, its most probable tree, ' +
        'and the posterior of every symbol (in JSON posteriors[depth][position][symbol], root first)',
    )
    .requiredOption(
      '--tokens <file>',
      'sentences, one per row: lines of tokens with ? for a hidden one; JSON lines as printed by rhm sample, with null for a hidden token or ' +
        '[v] likelihoods for a noisy one; or .npy [rows, s^L] with -1 for a hidden token, or [rows, s^L, v] likelihoods; - for standard input',
    )
    .option('--seed <seed>', 'seed of the rules', looseNumber, 0)
    .option('--hide <places>', 'positions to hide in every sentence, counted from 0, such as 0,4-7,last')
    .option(
      '--noise <rate>',
      'probability that a token was replaced by one drawn uniformly from all v; posteriors are those of the true tokens',
      number(0, 1),
      0,
    )
    .option(
      '--allow-contradictions',
      'report likelihood 0 (null in JSON) for a sentence that the grammar cannot generate, instead of an error',
    )
    .action(async (flags: InferFlags, command: Command) => {
      checkSeed(flags.seed);
      const { tokens, noise } = flags;
      if (tokens === '-' && flags.rules === '-')
        throw new InputError('--tokens: standard input already provides the grammar; pass one of the two as a file');
      const rules = await loadGrammar(flags, flags.seed);
      const hidden = placesOf(flags.hide, sentenceLength(rules));
      const rows = rowsOf(readObservations(tokens), hidden);
      const found = inferAll(rules, rows, { noise, contradictions: flags.allowContradictions ? 'zero' : 'refuse' });
      const { v, n, m, s, L } = rules;
      await io.result(command, { grammar: { v, n, m, s, L }, hidden: [...hidden], noise, sentences: found }, () =>
        found.map((sentence, i) => text(sentence, i, rows)).join('\n'),
      );
    });
}

/** Parses "0,4-7,last" into a set of places. */
function placesOf(list: string | undefined, d: number): Set<number> {
  const places = new Set<number>();
  for (const part of list?.split(',') ?? []) {
    const [from, to = from] = part
      .trim()
      .split('-')
      .map((word) => (word === 'last' ? d - 1 : /^\d+$/.test(word) ? Number(word) : Number.NaN));
    if (!(from <= to && to < d) || part.split('-').length > 2)
      throw new InputError(
        `--hide: got ${part.trim() || 'nothing'}; pass places from 0 to s^L - 1 = ${d - 1}, such as 0,4-7,last`,
      );
    for (let place = from; place <= to; place++) places.add(place);
  }
  return places;
}

/** Rows as arrays, without the tokens to be hidden. Values that are not rows stay, for the checks of the library. */
function rowsOf(input: Observations, hidden: ReadonlySet<number>): Observations {
  let rows = input as readonly (readonly Observation[])[];
  if (!Array.isArray(input)) {
    const { shape, data } = input as Exclude<Observations, readonly unknown[]>;
    const [count, d, v] = shape;
    if (shape.length < 2 || shape.length > 3) return input;
    const one = (i: number): Observation =>
      v === undefined ? Number(data[i]) : Array.from({ length: v }, (_, x) => Number(data[i * v + x]));
    rows = Array.from({ length: count }, (_, i) => Array.from({ length: d }, (_, p) => one(i * d + p)));
  }
  return hidden.size ? rows.map((row) => row.map((seen, p) => (hidden.has(p) ? null : seen))) : rows;
}

function inferAll(rules: Rules, rows: Observations, options: Parameters<typeof posteriors>[2]) {
  const { count, logLikelihoods, symbols } = posteriors(rules, rows, options);
  const trees = mostProbableTrees(rules, rows, options);
  const nodes = <T>(depth: number, of: (p: number) => T): T[] =>
    Array.from({ length: rules.s ** depth }, (_, p) => of(p));
  const cut = (values: Int32Array, i: number, depth: number) => nodes(depth, (p) => values[i * rules.s ** depth + p]);
  return Array.from({ length: count }, (_, i) => ({
    logLikelihood: logLikelihoods[i],
    tree: {
      logProbability: trees.logProbabilities[i], // with the observations
      symbols: trees.symbols.map((values, depth) => cut(values, i, depth)),
      rules: trees.rules.map((values, depth) => cut(values, i, depth)),
    },
    posteriors: symbols.map((values, depth) => {
      const width = depth === 0 ? rules.n : rules.v;
      return nodes(depth, (p) => {
        const at = (i * rules.s ** depth + p) * width;
        return [...values.subarray(at, at + width)];
      });
    }),
  }));
}

const WIDEST = 16; // nodes of a level that are listed individually

function text({ logLikelihood, tree, posteriors }: ReturnType<typeof inferAll>[number], i: number, rows: Observations) {
  const seen = (rows as readonly (readonly Observation[])[])[i].map((x) =>
    x === null || x === -1 ? '?' : typeof x === 'number' ? x : '~',
  );
  const head = `sentence ${i}: ${seen.join(' ')}`;
  if (logLikelihood === Number.NEGATIVE_INFINITY) return `${head}\n  contradicts the grammar: likelihood 0\n`;
  const share = Math.exp(tree.logProbability - logLikelihood);
  const lines = posteriors.map((nodes, depth) => {
    const entropy = nodes.reduce((sum, p) => sum + entropyOf(p), 0) / nodes.length;
    const best = nodes.map((p) => p.indexOf(Math.max(...p)));
    const list = nodes.length > WIDEST ? '' : best.map((x, p) => `${x} ${nodes[p][x].toFixed(2)}`).join(', ');
    const name = depth === 0 ? 'root' : depth === posteriors.length - 1 ? 'tokens' : `depth ${depth}`;
    return (
      `  ${name.padEnd(8)} tree ${tree.symbols[depth].join(' ')}\n` +
      `           ${list ? `posterior ${list}; ` : ''}entropy of a symbol ${entropy.toFixed(4)} nats`
    );
  });
  return [
    head,
    `  log likelihood ${logLikelihood.toFixed(6)} nats; the most probable tree has ${share.toPrecision(3)} of the posterior`,
    ...lines,
    '',
  ].join('\n');
}

const entropyOf = (p: readonly number[]) => p.reduce((sum, x) => sum - (x > 0 ? x * Math.log(x) : 0), 0);
