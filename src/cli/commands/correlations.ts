/** `rhm correlations`: covariances with the last token measured on more and more sentences, with theory and noise floor. */
import type { Command } from 'commander';
import { checkInteger, checkSeed } from '../../core/check.js';
import { InputError } from '../../core/errors.js';
import type { Rules } from '../../core/rules.js';
import type { Source } from '../../core/sampleSource.js';
import { streamKey } from '../../core/threefry.js';
import { createSampler } from '../../grammar/sampler.js';
import {
  CovarianceStream,
  commonLevel,
  lossPlateaus,
  NgramStream,
  noiseFloor,
  refinedMeanSquare,
  rmsCovariances,
  simpleMeanSquare,
} from '../../theory/index.js';
import type { CommandContext } from '../context.js';
import { dataCorrelations, dataCorrelationText } from '../dataCorrelations.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber } from '../grammarOptions.js';

interface CorrelationFlags extends GrammarFlags {
  data?: string;
  test?: string;
  count: number;
  level: number;
  seed: number;
  rulesSeed?: number;
}

const CHUNK = 4096;
const CONTEXT_CELLS = 2 ** 22;

export function addCorrelations(program: Command, io: CommandContext): void {
  grammarOptions(program.command('correlations'))
    .description(
      'measure covariances with the last token and n-gram losses on random sentences, beside theory and noise floor',
    )
    .option(
      '--count <n>',
      'number of sentences; results are printed at every power of 4 from 2^10 on, and at the end',
      looseNumber,
      65536,
    )
    .option('--level <h>', 'correlate with hidden symbols of this level from the leaves; 0 = tokens', looseNumber, 0)
    .option('--seed <seed>', 'seed of the sentences, and of the rules unless those are given', looseNumber, 0)
    .option('--rules-seed <seed>', 'seed of the rules', looseNumber)
    .option(
      '--data <file>',
      'use rows of tokens from a file (.npy, or lines of numbers) instead of a grammar; correlations are then by distance',
    )
    .option('--test <file>', 'rows for the test of the n-gram losses (default: the last tenth of --data)')
    .action(async (flags: CorrelationFlags, command: Command) => {
      const { data, test, v } = flags;
      if (data !== undefined) {
        const other = (['rules', 'm', 'n', 's', 'L', 'rulesSeed'] as const).find((name) => flags[name] !== undefined);
        if (other) throw new InputError(`--${other}: of a grammar, and --data takes none; leave one of the two out`);
        const found = dataCorrelations({ data, test, v });
        await io.result(command, found, () => dataCorrelationText(found));
        return;
      }
      checkSeed(flags.seed);
      const count = checkInteger('count', flags.count, 32, 2 ** 40, 'sentences');
      const rules = await loadGrammar(flags, flags.rulesSeed ?? flags.seed);
      const level = checkInteger('level', flags.level, 0, rules.L - 1, 'from the leaves');
      const found = await measure(rules, level, count, flags.seed, io);
      await io.result(command, found, () => correlationText(found));
    });
}

type Correlations = Awaited<ReturnType<typeof measure>>;

async function measure(rules: Rules, level: number, count: number, seed: number, io: CommandContext) {
  const { v, s, L } = rules;
  const sampler = await createSampler(rules);
  const source: Source = { mode: 'stream', key: streamKey(seed, 'data'), size: 0n, first: 0, length: 0 };
  const d = sampler.tokensPerSentence;
  const width = s ** (L - level) - 1;
  const levels = Array.from({ length: width }, (_, p) => commonLevel(rules, level, p));
  const estimate = new CovarianceStream({ v, width, levels });
  const contexts = Array.from({ length: L + 1 }, (_, ell) => s ** ell - 1).filter((k) => v ** (k + 1) <= CONTEXT_CELLS);
  const ngram = new NgramStream(v, contexts);
  const exact = rmsCovariances(rules, level);
  const covariance: Record<string, number>[] = [];
  // In a row of hidden symbols of a tree, those of a level come after all levels above it.
  const offset = (s ** (L - level) - 1) / (s - 1);
  const tokens = new Uint32Array(CHUNK * d);
  let next = 1024;
  for (let done = 0; done < count; ) {
    const rows = Math.min(CHUNK, count - done, next > done ? next - done : CHUNK);
    sampler.tokens(source, done, rows, tokens);
    if (level === 0) estimate.addSentences(tokens, d, rows);
    else {
      const { symbols } = sampler.trees(source, done, rows);
      estimate.add(symbols.subarray(offset), sampler.symbolsPerTree, tokens, d, d - 1, rows);
    }
    ngram.observe(tokens, d, rows);
    done += rows;
    io.progress(`${done} of ${count} sentences`);
    if (done !== next && done !== count) continue;
    while (next <= done) next *= 4;
    for (const { ell, meanSquare, signal } of estimate.result())
      covariance.push({
        samples: done,
        ell,
        meanSquare: meanSquare.value,
        error: meanSquare.error,
        signal: signal.value,
        signalError: signal.error,
        exact: exact[ell] ** 2,
        refined: refinedMeanSquare(rules, ell, level),
        simple: simpleMeanSquare(rules, ell, level),
        noiseFloor: noiseFloor(rules, done),
      });
  }
  const held = Math.min(count, 16384);
  const heldTokens = new Uint32Array(held * d);
  sampler.tokens({ ...source, key: streamKey(seed, 'test') }, 0, held, heldTokens);
  const { H } = lossPlateaus(rules);
  const losses = ngram.evaluate(heldTokens, d, held);
  return {
    grammar: { v, n: rules.n, m: rules.m, s, L },
    samples: count,
    level,
    covariance,
    ngram: contexts.map((context, ell) => ({
      context,
      loss: losses[ell].value,
      error: losses[ell].error,
      exact: H[ell],
    })),
  };
}

function correlationText({ level, samples, covariance, ngram }: Correlations): string {
  const columns = ['samples', 'ell', 'meanSquare', 'error', 'signal', 'signalError', 'exact', 'refined', 'noiseFloor'];
  const cell = (name: string, x: number) => (name === 'samples' || name === 'ell' ? String(x) : x.toExponential(3));
  const rows = [columns, ...covariance.map((row) => columns.map((name) => cell(name, row[name])))];
  const widths = columns.map((_, c) => Math.max(...rows.map((row) => row[c].length)));
  const what = level ? `level-${level} symbols` : 'tokens';
  return [
    `Mean square covariance of the last token with ${what}, by level ell of the common ancestor`,
    ...rows.map((row) => row.map((x, c) => x.padStart(widths[c])).join('  ')),
    '',
    `Cross-entropy of the last token from counts over ${samples} sentences, nats`,
    ...ngram.map(
      (x) =>
        `  ${x.context} tokens before it: ${x.loss.toFixed(4)} +- ${x.error.toFixed(4)} (exact ${x.exact.toFixed(4)})`,
    ),
  ].join('\n');
}
