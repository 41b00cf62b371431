/** `rhm bench train`: time of a whole training step, including sampling, for the paper's networks. */

import { type Command, InvalidArgumentError } from 'commander';
import { GpuError, ShapeError } from '../../core/errors.js';
import { parseExperiment } from '../../core/experiment.js';
import { type Precision, precisions } from '../../core/precision.js';
import { GpuProgram } from '../../gpu/executor.js';
import type { Executor } from '../../plan/executor.js';
import { openExecutor } from '../../platform/executor.js';
import { membersOf } from '../../training/members.js';
import { Trainer } from '../../training/trainer.js';
import { addComputeOptions, type ComputeOptions, requireHalf } from '../compute.js';
import type { CommandContext } from '../context.js';
import { comparisons, comparisonTable, readPeer } from './peers.js';

/** The cases for which the usual PyTorch programs for these networks are measured. */
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
  precision: Precision;
}

/** A case that could not be timed. */
export interface TrainRefusal extends Pick<TrainTime, 'case' | 'batch' | 'replicas' | 'precision'> {
  error: string;
}

interface Options extends ComputeOptions {
  cases: string[];
  batches: number[];
  replicas: number[];
  steps: number;
  profile?: boolean;
  precision: Precision[];
  peers?: string[];
}

export function addBenchTrain(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('train')
      .description('microseconds per training step (sampling, forward, backward, update), and samples per second')
      .option('--cases <names>', `of ${Object.keys(cases).join(', ')}`, listOfCases, [
        'hcnn-v16',
        'hcnn-v32',
        'mla-v16',
        'mla-v32',
      ])
      .option('--batches <n,n>', 'sentences per step', numbers, [128, 1024])
      .option('--replicas <n,n>', 'replicas trained side by side', numbers, [1, 16])
      .option('--steps <n>', 'steps per round; there are five rounds', Number, 300)
      .option('--profile', 'also print the time of every dispatch or command')
      .option('--precision <names>', `precision of matrix products: ${precisions.join(', ')}`, listOfPrecisions, [
        'f32',
      ])
      .option(
        '--peers <[name=]file...>',
        'times of other programs on the same cases, printed beside these with their ratios; JSON lines {"case", "batch", "replicas", "us_per_step"}',
      ),
  ).action(async (options: Options, command: Command) => {
    const peers = (options.peers ?? []).map(readPeer);
    const { executor, release } = await openExecutor(io.platform, options, io.log);
    try {
      if (options.precision.includes('f16')) requireHalf(executor);
      const results: (TrainTime | TrainRefusal)[] = [];
      for (const name of options.cases)
        for (const batch of options.batches)
          for (const replicas of options.replicas)
            for (const precision of options.precision) {
              const row = { case: name, batch, replicas, precision };
              const result = await timeCase(row, executor, options, io.log).catch((error: Error): TrainRefusal => {
                // A case that does not fit on the adapter becomes a row that says so; any other error ends the command.
                if (error instanceof ShapeError || error instanceof GpuError) return { ...row, error: error.message };
                throw error;
              });
              results.push(result);
              io.log(JSON.stringify(result));
            }
      const compared = peers.length ? { peers: comparisons(results, peers) } : {};
      await io.result(command, { executor: executor.description, results, ...compared }, () =>
        [...results.map(line), ...(peers.length ? ['', comparisonTable(results, peers)] : [])].join('\n'),
      );
    } finally {
      await release();
    }
  });
}

function line(r: TrainTime | TrainRefusal): string {
  const what = `${r.case} batch ${r.batch} x ${r.replicas}${r.precision === 'f16' ? ' f16' : ''}`;
  return 'error' in r ? `${what}: ${r.error}` : `${what}: ${r.us_per_step} us, ${r.samples_per_s} samples/s`;
}

async function timeCase(
  row: Pick<TrainTime, 'case' | 'batch' | 'replicas' | 'precision'>,
  executor: Executor,
  { steps, profile }: Options,
  log: (line: string) => void,
): Promise<TrainTime> {
  const { batch, replicas, precision } = row;
  const experiment = parseExperiment({ ...cases[row.case], budget: { batch }, replicas, precision });
  const trainer = await Trainer.create(membersOf(experiment), executor);
  try {
    const us = await timeSteps(trainer, steps);
    const { loaded } = trainer;
    if (profile) for (const line of await profileLines(trainer, steps)) log(line);
    return {
      ...row,
      us_per_step: Math.round(us * 10) / 10,
      samples_per_s: Math.round((batch * replicas * 1e6) / us),
      dispatches: loaded instanceof GpuProgram ? loaded.dispatches('train') : undefined,
      memory_mib: Math.round(trainer.memoryBytes / 2 ** 20),
    };
  } finally {
    trainer.destroy();
  }
}

/**
 * The time of each dispatch or command run repeatedly by itself and, on a GPU, how much shorter the step is without it. The second
 * time is longer if a step touches more than the caches hold: data and instructions then come from memory again.
 */
async function profileLines(trainer: Trainer, steps: number): Promise<string[]> {
  const { loaded } = trainer;
  const alone = (await loaded.profile?.('train')) ?? [];
  const gpu = loaded instanceof GpuProgram ? loaded : undefined;
  const lines: string[] = [];
  for (const [i, { label, us }] of alone.entries()) {
    let within = '';
    if (gpu) {
      const whole = await timeSteps(trainer, steps);
      const without = await timeSteps(trainer, steps, (n) => gpu.run('train', n, i));
      within = `${(whole - without).toFixed(1).padStart(8)} us in the step`;
    }
    lines.push(`  ${us.toFixed(1).padStart(9)} us alone ${within}  ${label}`);
  }
  return lines;
}

/** Median microseconds per step over five rounds. */
export async function timeSteps(
  trainer: Trainer,
  steps: number,
  advance: (steps: number) => Promise<void> = (n) => trainer.advance(n),
): Promise<number> {
  // A GPU that was idle needs some time under load before its clock is up.
  for (const start = performance.now(); performance.now() - start < 200; ) {
    await advance(Math.max(2, Math.ceil(steps / 5)));
    await trainer.finish();
  }
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    await advance(steps);
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
    throw new InvalidArgumentError('Pass whole numbers of at least 1, separated by commas.');
  return values;
}

function listOfPrecisions(text: string): Precision[] {
  return text.split(',').map((name) => {
    const found = precisions.find((p) => p === name);
    if (!found) throw new InvalidArgumentError(`No precision ${name}; there are ${precisions.join(', ')}.`);
    return found;
  });
}
