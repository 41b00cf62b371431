/** `rhm sample`: any number of sentences of a grammar, in constant memory. */
import { type Command, Option } from 'commander';
import { checkInteger, checkSeed } from '../../core/check.js';
import { InputError } from '../../core/errors.js';
import { INDEX_LIMIT } from '../../core/grammarImage.js';
import { npyHeader } from '../../core/npy.js';
import { type Rules, sentenceLength } from '../../core/rules.js';
import type { Source } from '../../core/sampleSource.js';
import { inOrder, shuffledOrder } from '../../core/shuffle.js';
import { streamKey } from '../../core/threefry.js';
import { derivationSource } from '../../grammar/dataset.js';
import { createSampler, type Sampler } from '../../grammar/sampler.js';
import { type Split, splitOf, splits } from '../../training/batches.js';
import { orderOf } from '../../training/wiring.js';
import type { CommandContext } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber } from '../grammarOptions.js';
import { type HoldoutFlags, holdoutOption, languageFrom, languageOption } from '../holdoutOption.js';
import { type Write, writeOutput } from '../output.js';
import { readExperimentAndData } from './train.js';

interface SampleFlags extends GrammarFlags, HoldoutFlags {
  count?: number;
  experiment?: string;
  split?: Split;
  replica?: number;
  start: number;
  seed: number;
  rulesSeed?: number;
  shuffle?: number;
  tree?: boolean;
  distinct?: boolean;
  format: 'jsonl' | 'npy' | 'text';
  out?: string;
}

const CHUNK_TOKENS = 2 ** 16;

export function addSample(program: Command, io: CommandContext): void {
  languageOption(holdoutOption(grammarOptions(program.command('sample'))))
    .description('draw sentences; sentence i of a seed is the same on every machine')
    .option(
      '--count <n>',
      'number of sentences; required, except with --experiment, whose default is the whole split',
      looseNumber,
    )
    .option(
      '--experiment <file>',
      'sentences of this experiment (JSON, for example experiment.json of a run), in the order of its training',
    )
    .addOption(new Option('--split <set>', 'split of the experiment').choices([...splits]))
    .option('--replica <r>', 'replica of the experiment, which has its own seeds (default: 0)', looseNumber)
    .option('--start <i>', 'number of the first sentence', looseNumber, 0)
    .option('--seed <seed>', 'seed of the sentences, and of the rules unless those are given', looseNumber, 0)
    .option('--rules-seed <seed>', 'seed of the rules', looseNumber)
    .option('--distinct', 'draw without replacement: no sentence occurs twice, over all values of --start')
    .option(
      '--shuffle <seed>',
      'shuffle the positions of the context as grammar.shuffle does; the last token stays last',
      looseNumber,
    )
    .option(
      '--tree',
      'write whole derivations: symbols and rules by level (jsonl), or the symbols alone, root first (npy, text)',
    )
    .addOption(new Option('--format <format>', 'output format').choices(['jsonl', 'npy', 'text']).default('jsonl'))
    .option('-o, --out <file>', 'write to this file instead of standard output')
    .action(async (flags: SampleFlags, command: Command) => {
      if (flags.experiment !== undefined && command.getOptionValueSource('seed') === 'cli')
        throw new InputError('--seed: the experiment says it; leave one of the two out');
      checkSeed(flags.seed);
      const { rules, source, all, order } = await sentencesOf(flags);
      if (order && flags.tree)
        throw new InputError('--tree: derivations are in the order of the tree; leave it or the shuffle out');
      const start = checkInteger('start', flags.start, 0, INDEX_LIMIT, 'number of the first sentence');
      if (flags.count === undefined && all === undefined)
        throw new InputError('--count: missing; pass the number of sentences');
      const count = checkInteger('count', flags.count ?? Math.max(0, all! - start), 0, INDEX_LIMIT, 'sentences');
      const sampler = await createSampler(rules);
      sampler.checkRange(source, start, count);
      await writeOutput(io, flags.out, (write) =>
        produce(sampler, source, { ...flags, start, count, order }, write, io),
      );
    });
}

interface Drawn {
  rules: Rules;
  source: Source;
  all?: number;
  order?: Uint32Array; // of the positions, if they are shuffled
}

/** The source of sentences. all: the sentences of a split, without a count. */
async function sentencesOf(flags: SampleFlags): Promise<Drawn> {
  const { experiment, split, replica } = flags;
  if (experiment !== undefined) {
    const own = ['rules', 'v', 'm', 'n', 's', 'L', 'rulesSeed', 'distinct', 'shuffle', 'holdout', 'language'] as const;
    const other = own.find((name) => (flags as unknown as Record<string, unknown>)[name] !== undefined);
    if (other) throw new InputError(`--${other}: the experiment says it; leave one of the two out`);
    const { experiment: read } = await readExperimentAndData(experiment, []);
    const { rules, source, size, planned } = splitOf(read, { split, replica });
    return { rules, source, all: size ?? planned, order: orderOf(read) };
  }
  if (split !== undefined || replica !== undefined)
    throw new InputError(`--${split ? 'split' : 'replica'}: of which experiment? add --experiment FILE`);
  const rulesSeed = flags.rulesSeed ?? flags.seed;
  const rules = languageFrom(flags, await loadGrammar(flags, rulesSeed), rulesSeed);
  const key = streamKey(flags.seed, 'data');
  const source: Source = flags.distinct
    ? derivationSource(rules, flags.seed)
    : { mode: 'stream', key, size: 0n, first: 0, length: 0 };
  if (flags.shuffle === undefined) return { rules, source };
  return { rules, source, order: shuffledOrder(sentenceLength(rules), checkSeed(flags.shuffle, 'shuffle')) };
}

async function produce(
  sampler: Sampler,
  source: Source,
  flags: SampleFlags & { count: number; order?: Uint32Array },
  write: Write,
  io: CommandContext,
) {
  const { start, count, tree, format, order } = flags;
  const row = tree ? sampler.symbolsPerTree : sampler.tokensPerSentence;
  const narrow = Math.max(sampler.rules.v, tree ? sampler.rules.n : 0) <= 256;
  if (format === 'npy') await write(npyHeader(narrow ? '|u1' : '<u4', [count, row]));
  const perChunk = Math.max(1, Math.floor(CHUNK_TOKENS / row));
  for (let done = 0; done < count; done += perChunk) {
    const rows = Math.min(perChunk, count - done);
    if (done > 0) io.progress(`${done} of ${count} sentences (${Math.floor((100 * done) / count)}%)`);
    const first = start + done;
    if (tree) {
      const { symbols, rules } = sampler.trees(source, first, rows);
      if (format === 'jsonl') await write(treeLines(sampler, symbols, rules, first, rows));
      else
        await write(format === 'npy' ? littleEndian(narrow ? Uint8Array.from(symbols) : symbols) : text(symbols, row));
    } else {
      const drawn = narrow ? new Uint8Array(rows * row) : new Uint32Array(rows * row);
      sampler.tokens(source, first, rows, drawn);
      const tokens = order ? inOrder(drawn, order) : drawn;
      if (format === 'npy') await write(littleEndian(tokens));
      else await write(format === 'text' ? text(tokens, row) : tokenLines(tokens, row, first));
    }
  }
}

function text(values: Uint8Array | Uint32Array, row: number): string {
  let out = '';
  for (let i = 0; i < values.length; i += row) out += `${values.subarray(i, i + row).join(' ')}\n`;
  return out;
}

function tokenLines(tokens: Uint8Array | Uint32Array, row: number, first: number): string {
  let out = '';
  for (let i = 0; i * row < tokens.length; i++)
    out += `{"index":${first + i},"tokens":[${tokens.subarray(i * row, (i + 1) * row).join()}]}\n`;
  return out;
}

/** symbols[depth] and rules[depth] of each sentence; depth 0 is the root, the last symbols are the tokens. */
function treeLines(sampler: Sampler, symbols: Uint32Array, rules: Uint32Array, first: number, rows: number): string {
  const { s, L } = sampler.rules;
  const levels = (values: Uint32Array, from: number, count: number) => {
    const parts: string[] = [];
    for (let depth = 0, at = from; depth < count; at += s ** depth++)
      parts.push(`[${values.subarray(at, at + s ** depth).join()}]`);
    return `[${parts.join()}]`;
  };
  let out = '';
  for (let i = 0; i < rows; i++) {
    const end = (i + 1) * sampler.symbolsPerTree;
    const tokens = symbols.subarray(end - sampler.tokensPerSentence, end).join();
    const tree = levels(symbols, i * sampler.symbolsPerTree, L + 1);
    out += `{"index":${first + i},"tokens":[${tokens}],"symbols":${tree},"rules":${levels(rules, i * sampler.rulesPerTree, L)}}\n`;
  }
  return out;
}

/** The bytes of the elements. Every platform that runs WebGPU or this WebAssembly is little-endian, as .npy requires. */
function littleEndian(values: Uint8Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
