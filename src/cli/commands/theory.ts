/** `rhm theory`: exact losses, correlations, sample complexities and exponents of a grammar or an ensemble. */
import type { Command } from 'commander';
import { checkInteger, checkSeed } from '../../core/check.js';
import { counted } from '../../core/counted.js';
import type { GrammarShape, Rules } from '../../core/rules.js';
import { languageSize, logDerivations } from '../../grammar/derivations.js';
import {
  classificationComplexity,
  contraction,
  ensemblePlateaus,
  examineGrammar,
  examineInstance,
  type Family,
  type InstanceTheory,
  refinedMeanSquare,
  sampleComplexities,
  scalingExponent,
  simpleMeanSquare,
} from '../../theory/index.js';
import type { CommandContext } from '../context.js';
import { type GrammarFlags, grammarOptions, loadGrammar, looseNumber, sizesOf, weightsOf } from '../grammarOptions.js';
import { inWorkers } from '../workers.js';

interface TheoryFlags extends GrammarFlags {
  seed: number;
  instances?: number;
}

export function addTheory(program: Command, io: CommandContext): void {
  grammarOptions(program.command('theory'))
    .description('print exact losses H(ell) in nats, correlations, sample complexities P_ell and scaling exponents')
    .option('--seed <seed>', 'seed of the rules', looseNumber, 0)
    .option('--instances <k>', 'average over k random grammars, seeds seed .. seed+k-1', looseNumber)
    .action(async (flags: TheoryFlags, command: Command) => {
      checkSeed(flags.seed);
      const instances = checkInteger('instances', flags.instances ?? 1, 1, 1e6, 'random grammars');
      const rules = await loadGrammar(flags, flags.seed);
      const found = summarise(rules, await examineAll(flags, rules, instances, io));
      await io.result(command, found, () => theoryText(found));
    });
}

type Theory = ReturnType<typeof summarise>;

/** The function of src/worker/lab.ts that is called here. */
interface TheoryLab {
  theory(...of: Parameters<typeof examineInstance>): Promise<InstanceTheory>;
}

const PATIENCE_MS = 1500; // work from which starting workers pays off

/** The first grammar, then those of the next seeds; on worker threads if that pays off. */
async function examineAll(flags: TheoryFlags, first: Rules, instances: number, io: CommandContext) {
  if (instances === 1) return [examineGrammar(first)];
  const shape = sizesOf({ ...flags, rules: undefined }); // throws if a rules file was given instead of sizes
  const options = weightsOf(flags);
  const start = performance.now();
  const found = [examineGrammar(first)];
  const rest = instances - 1;
  const report = (done: number) => io.progress(`${done + 1} of ${instances} grammars`);
  if ((performance.now() - start) * rest > PATIENCE_MS) {
    const more = await inWorkers<TheoryLab, InstanceTheory>(
      io.platform,
      rest,
      (lab, i) => lab.theory(shape, flags.seed + 1 + i, options),
      report,
    );
    if (more) return [...found, ...more];
  }
  for (let i = 1; i < instances; i++) {
    found.push(examineInstance(shape, flags.seed + i, options));
    report(i);
  }
  return found;
}

function summarise(shape: GrammarShape, found: readonly InstanceTheory[]) {
  const { v, n, m, s, L } = shape;
  const H = new Moments(L + 1);
  const H_unif = new Moments(L + 1);
  const squares = Array.from({ length: L }, () => new Moments(L + 1));
  const sampled = Math.max(...found.flatMap((x) => x.H_error));
  for (const instance of found) {
    H.add(instance.H);
    H_unif.add(instance.H_unif);
    squares.forEach((moments, h) => {
      moments.add(instance.meanSquares[h]);
    });
  }
  const covariance = squares.flatMap((moments, h) =>
    Array.from({ length: L - h }, (_, i) => h + 1 + i).map((ell) => ({
      level: h, // of the symbol, from the leaves; 0 = a token
      ell, // level of the common ancestor with the last token
      meanSquare: moments.mean[ell],
      error: moments.error()[ell],
      simple: simpleMeanSquare(shape, ell, h),
      refined: refinedMeanSquare(shape, ell, h),
    })),
  );
  return {
    grammar: { v, n, m, s, L },
    sentences: languageSize(shape), // distinct ones, in full
    instances: found.length,
    f: m / v ** (s - 1),
    lambda: contraction(shape),
    log10Derivations: logDerivations(shape) / Math.LN10,
    H: H.mean,
    H_error: H.error(sampled),
    H_unif: H_unif.mean,
    H_unif_error: H_unif.error(sampled),
    H_unif_mean: ensemblePlateaus(shape),
    covariance,
    P: {
      transformer: sampleComplexities(shape, 'transformer').map(finite),
      cnn: sampleComplexities(shape, 'cnn').map(finite),
      classification: classificationComplexity(shape),
    },
    alpha: { transformer: exponent(shape, 'transformer'), cnn: exponent(shape, 'cnn') },
  };
}

const finite = (x: number) => (Number.isFinite(x) ? x : null);

/** null if the law does not apply (m = 1 or f = 1). */
function exponent(shape: GrammarShape, family: Family): number | null {
  return shape.m > 1 && shape.m < shape.v ** (shape.s - 1) ? scalingExponent(shape, family) : null;
}

/** Mean and standard error of vectors, one by one. */
class Moments {
  readonly mean: number[];
  readonly #squares: number[];
  #count = 0;

  constructor(length: number) {
    this.mean = new Array(length).fill(0);
    this.#squares = new Array(length).fill(0);
  }

  add(values: readonly number[]): void {
    this.#count++;
    values.forEach((x, i) => {
      const delta = x - this.mean[i];
      this.mean[i] += delta / this.#count;
      this.#squares[i] += delta * (x - this.mean[i]);
    });
  }

  /** floor: error of a single value, used if there is only one. */
  error(floor = 0): number[] {
    if (this.#count < 2) return this.mean.map(() => floor);
    return this.#squares.map((x) => Math.sqrt(x / (this.#count - 1) / this.#count));
  }
}

function theoryText(t: Theory): string {
  const { v, n, m, s, L } = t.grammar;
  const number = (x: number | null) => (x === null ? 'none' : x >= 1e5 ? x.toExponential(3) : x.toPrecision(6));
  const table = (rows: string[][]) => {
    const widths = rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)));
    return rows.map((r) => r.map((cell, c) => cell.padStart(widths[c])).join('  ')).join('\n');
  };
  const losses = [['ell', 'H', '+-', 'H_unif', 'H_unif_mean', 'P transformer', 'P cnn']];
  for (let ell = 0; ell <= L; ell++)
    losses.push([
      String(ell),
      t.H[ell].toFixed(6),
      t.H_error[ell] ? t.H_error[ell].toFixed(6) : '',
      t.H_unif[ell].toFixed(6),
      t.H_unif_mean[ell].toFixed(6),
      ell ? number(t.P.transformer[ell - 1]) : '',
      ell ? number(t.P.cnn[ell - 1]) : '',
    ]);
  const covariances = [['level', 'ell', 'mean square', 'refined', 'simple']];
  for (const c of t.covariance)
    covariances.push([
      String(c.level),
      String(c.ell),
      ...[c.meanSquare, c.refined, c.simple].map((x) => x.toExponential(4)),
    ]);
  return [
    `v=${v} n=${n} m=${m} s=${s} L=${L}  f=${number(t.f)}  ${t.sentences && t.sentences.length <= 15 ? t.sentences : `10^${t.log10Derivations.toFixed(2)}`} sentences, ${counted(t.instances, 'grammar')}`,
    '',
    'Entropy of the last token in nats, seeing the s^ell - 1 tokens before it; samples P_ell up to a prefactor',
    table(losses),
    '',
    'Covariance of the last token with symbols of a level (0 = tokens), by level ell of the common ancestor',
    table(covariances),
    '',
    `alpha: transformer ${number(t.alpha.transformer)}, cnn ${number(t.alpha.cnn)}; classification P* = ${number(t.P.classification)}`,
  ].join('\n');
}
