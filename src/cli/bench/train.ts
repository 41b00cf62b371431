/** `rhm bench train`: time of a whole training step, sampling included, in the cases that the paper's networks make. */

import { type Command, InvalidArgumentError } from 'commander';
import { parseExperiment } from '../../core/experiment.js';
import { GpuProgram } from '../../gpu/executor.js';
import { openExecutor } from '../../platform/executor.js';
import { membersOf } from '../../training/members.js';
import { Trainer } from '../../training/trainer.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import type { CommandContext } from '../context.js';

/** The cases that the usual PyTorch programs for these networks are measured on. */
export const cases: Readonly<Record<string, { grammar: object; model: object }>> = {
  'hcnn-v16': { grammar: { v: 16, m: 4, L: 4 }, model: { kind: 'hcnn', width: 512 } },
  'hcnn-v32': { grammar: { v: 32, m: 8, L: 5 }, model: { kind: 'hcnn', width: 512 } },
  'mla-v16': { grammar: { v: 16, m: 4, L: 4 }, model: { kind: 'mla', channels: 256, heads: 16 } },
  'mla-v32': { grammar: { v: 32, m: 8, L: 5 }, model: { kind: 'mla', channels: 512, heads: 16 } },
  'hcnn-small': { grammar: { v: 8, m: 2, L: 3 }, model: { kind: 'hcnn', width: 64 } },
  'mla-small': { grammar: { v: 8, m: 2, L: 3 }, model: { kind: 'mla', channels: 32, heads: 4 } },
  'hcnn-wide': { grammar: { v: 8, m: 2, L: 3 }, model: { kind: 'hcnn', width: 512 } },
  'mla-wide': { grammar: { v: 8, m: 2, L: 3 }, model: { kind: 'mla', channels: 256, heads: 16 } },
};

export interface TrainTime {
  case: string;
  batch: number;
  replicas: number;
  us_per_step: number; // median of the rounds
  samples_per_s: number;
  dispatches?: number;
  memory_mib: number;
}

interface Options extends ComputeOptions {
  cases: string[];
  batches: number[];
  replicas: number[];
  steps: number;
  profile?: boolean;
}

export function addBenchTrain(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('train')
      .description('microseconds a training step (sampling, forward, backward, update), and samples per second')
      .option('--cases <names>', `of ${Object.keys(cases).join(', ')}`, listOfCases, [
        'hcnn-v16',
        'hcnn-v32',
        'mla-v16',
        'mla-v32',
      ])
      .option('--batches <n,n>', 'sentences a step', numbers, [128, 1024])
      .option('--replicas <n,n>', 'copies side by side', numbers, [1, 16])
      .option('--steps <n>', 'steps a round, five rounds', Number, 300)
      .option('--profile', 'also the time of every dispatch or command'),
  ).action(async (options: Options, command: Command) => {
    const { executor, release } = await openExecutor(io.platform, options, io.log);
    try {
      const results: TrainTime[] = [];
      for (const name of options.cases)
        for (const batch of options.batches)
          for (const replicas of options.replicas) {
            const experiment = parseExperiment({ ...cases[name], budget: { batch }, replicas });
            const trainer = await Trainer.create(membersOf(experiment), executor);
            try {
              const us = await timeSteps(trainer, options.steps);
              const { loaded } = trainer;
              const result: TrainTime = {
                case: name,
                batch,
                replicas,
                us_per_step: Math.round(us * 10) / 10,
                samples_per_s: Math.round((batch * replicas * 1e6) / us),
                dispatches: loaded instanceof GpuProgram ? loaded.dispatches('train') : undefined,
                memory_mib: Math.round(trainer.memoryBytes / 2 ** 20),
              };
              results.push(result);
              io.log(JSON.stringify(result));
              if (options.profile)
                for (const { label, us } of (await loaded.profile?.('train')) ?? [])
                  io.log(`  ${us.toFixed(1).padStart(9)} us  ${label}`);
            } finally {
              trainer.destroy();
            }
          }
      await io.result(command, { executor: executor.description, results }, () =>
        results
          .map((r) => `${r.case} batch ${r.batch} x ${r.replicas}: ${r.us_per_step} us, ${r.samples_per_s} samples/s`)
          .join('\n'),
      );
    } finally {
      await release();
    }
  });
}

/** Median microseconds a step over five rounds. */
export async function timeSteps(trainer: Trainer, steps: number): Promise<number> {
  // A GPU that idled needs some time at work before its clock is up.
  for (const start = performance.now(); performance.now() - start < 200; ) {
    await trainer.advance(Math.max(2, Math.ceil(steps / 5)));
    await trainer.finish();
  }
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    await trainer.advance(steps);
    await trainer.finish();
    times.push(((performance.now() - start) * 1000) / steps);
  }
  return times.sort((a, b) => a - b)[2];
}

export function listOfCases(text: string): string[] {
  const names = text.split(',');
  const wrong = names.find((name) => !(name in cases));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`No case ${wrong}; there are ${Object.keys(cases).join(', ')}.`);
  return names;
}

export function numbers(text: string): number[] {
  const values = text.split(',').map(Number);
  if (!values.every((x) => Number.isInteger(x) && x >= 1))
    throw new InvalidArgumentError('Whole numbers of at least 1, separated by commas, are wanted.');
  return values;
}
