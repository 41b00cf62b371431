/** `rhm bench inference`: sentences per second of exact inference on one thread. */
import type { Command } from 'commander';
import { counted } from '../../core/counted.js';
import { makeRules } from '../../core/rules.js';
import type { Source } from '../../core/sampleSource.js';
import { streamKey } from '../../core/threefry.js';
import { UniformStream } from '../../core/uniform.js';
import { createSampler } from '../../grammar/sampler.js';
import { logLikelihoods, mostProbableTrees, posteriors, sampleTrees } from '../../theory/index.js';
import { type CommandContext, integer } from '../context.js';
import { type GrammarFlags, grammarOptions, sizesOf, weightsOf } from '../grammarOptions.js';

interface Options extends GrammarFlags {
  sentences?: number;
  rounds: number;
}

interface InferenceTime {
  observed: string;
  asked: string;
  sentences_per_s: number; // median of the rounds
  sentences_per_cpu_s: number; // the same in CPU time, which other work on the machine lengthens less
}

const asked = { posteriors, logLikelihoods, mostProbableTrees, sampleTrees };
const ROUND_TOKENS = 2 ** 15;

export function addBenchInference(program: Command, io: CommandContext): void {
  grammarOptions(program.command('inference'), false)
    .description(
      'sentences per second of belief propagation in float64 on one thread (v=16 m=4 s=2 L=4): with a token hidden, half of them, and noise',
    )
    .option('--sentences <n>', 'sentences per round (default: 2^15 tokens)', integer(1, 1e6))
    .option('--rounds <n>', 'number of rounds; the median is reported', integer(1, 1000), 7)
    .action(async (options: Options, command: Command) => {
      const rules = makeRules(sizesOf({ v: 16, m: 4, L: 4, ...options }), 1, weightsOf(options));
      const { v, n, m, s, L } = rules;
      const d = s ** L;
      const count = options.sentences ?? Math.max(1, Math.floor(ROUND_TOKENS / d));
      const sampler = await createSampler(rules);
      const tokens = new Uint32Array(count * d);
      const source: Source = { mode: 'stream', key: streamKey(1, 'data'), size: 0n, first: 0, length: 0 };
      sampler.tokens(source, 0, count, tokens);
      const random = new UniformStream(streamKey(1, 'measure'));
      const cases = [
        { observed: 'last token hidden', hides: (i: number) => i % d === d - 1, noise: 0 },
        { observed: 'half of the tokens hidden', hides: () => random.below(2) === 1, noise: 0 },
        { observed: 'noise 0.1', hides: () => false, noise: 0.1 },
      ];
      const times: InferenceTime[] = [];
      for (const { observed, hides, noise } of cases) {
        const data = Int32Array.from(tokens, (token, i) => (hides(i) ? -1 : token));
        for (const [name, infer] of Object.entries(asked)) {
          io.progress(`${observed}, ${name}`);
          const { wall, cpu } = medians(options.rounds, () => infer(rules, { shape: [count, d], data }, { noise }));
          times.push({ observed, asked: name, sentences_per_s: count / wall, sentences_per_cpu_s: count / cpu });
        }
      }
      const found = { runtime: io.platform.runtime, grammar: { v, n, m, s, L }, sentences: count, times };
      await io.result(command, found, () =>
        [
          `${found.runtime}, one thread; v=${v} n=${n} m=${m} s=${s} L=${L}, ${counted(count, 'sentence')} of ${counted(d, 'token')}`,
          ...times.map(
            (t) =>
              `${t.observed.padEnd(28)} ${t.asked.padEnd(20)} ${rate(t.sentences_per_s).padStart(9)} sentences/s, ` +
              `${rate(t.sentences_per_cpu_s)} per second of CPU time`,
          ),
        ].join('\n'),
      );
    });
}

const rate = (x: number) => (x < 100 ? x.toPrecision(3) : x.toFixed(0));

/** Duration of a round in seconds. The first one, in which code is compiled, does not count. */
function medians(rounds: number, work: () => unknown): { wall: number; cpu: number } {
  work();
  const wall: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    wall.push((performance.now() - start) / 1e3);
    cpu.push((user + system) / 1e6);
  }
  return { wall: middle(wall), cpu: middle(cpu) };
}

function middle(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
