/** `rhm generate`: sentences of a trained decoder or network of masked tokens, and how many of them are grammatical. */
import { type Command, Option } from 'commander';
import { counted } from '../../core/counted.js';
import { type OpenExecutor, openExecutor } from '../../platform/executor.js';
import { generate } from '../../training/generate.js';
import { weightsOf } from '../../training/weights.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer, number } from '../context.js';
import { readRun } from '../runFolder.js';

interface Options extends ComputeOptions {
  count: number;
  temperature: number;
  sweeps?: number;
  seed: number;
  show: number;
  weights: 'best' | 'last';
  replica: number;
}

export function addGenerate(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('generate')
      .description(
        "generate sentences with a trained clm, or with a network trained on masked tokens, and print the fraction that obeys the grammar's rules up to each level",
      )
      .argument('<run>', 'folder of a run')
      .option('--count <n>', 'sentences', integer(1, 2 ** 20), 1000)
      .option('--temperature <t>', 'softmax temperature; 0 always takes the most probable token', number(0, 100), 1)
      .option(
        '--sweeps <n>',
        'task mask: passes of the network over a sentence, 1 to s^L (default: one per token)',
        integer(1),
      )
      .option('--seed <seed>', 'seed of the draws', integer(0), 0)
      .option('--show <n>', 'number of sentences to print', integer(0, 2 ** 20), 5)
      .addOption(
        new Option('--weights <which>', 'which weights: best or last').choices(['best', 'last']).default('best'),
      )
      .option('--replica <r>', 'replica, for a run with several', integer(0), 0),
  ).action(async (run: string, options: Options, command: Command) => {
    const { experiment, rules, checkpoint, checkpointFile } = await readRun(run, io.log);
    const { weights: which, replica, count, temperature, sweeps, seed, show } = options;
    const weights = weightsOf(checkpoint, checkpointFile, { which, replica });
    let opened: OpenExecutor | undefined;
    try {
      opened = await openExecutor(io.platform, options, io.log);
      const result = await generate(experiment, rules, weights, opened.executor, {
        ...{ count, temperature, seed, sweeps },
      });
      const d = result.sentences.length / count;
      const sentences = Array.from({ length: Math.min(show, count) }, (_, i) => [
        ...result.sentences.subarray(i * d, (i + 1) * d),
      ]);
      const { step } = weights.metadata;
      await io.result(
        command,
        { run, step: Number(step), count, temperature, grammatical: result.grammatical, sentences },
        () =>
          [
            ...sentences.map((sentence) => sentence.join(' ')),
            `${counted(count, 'sentence')} at temperature ${temperature}, grammatical up to level ` +
              result.grammatical.map((x, level) => `${level}: ${(100 * x).toFixed(1)} %`).join(', '),
          ].join('\n'),
      );
    } finally {
      await opened?.release();
    }
  });
}
