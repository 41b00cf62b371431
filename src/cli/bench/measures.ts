/**
 * `rhm bench measures`: the cost of evaluation and of the measures of representation. Each is timed, and its share of a run of the
 * default length follows from the numbers of steps and evaluations of such a run.
 */

import type { Command } from 'commander';
import { parseExperiment } from '../../core/experiment.js';
import { measures } from '../../measures/index.js';
import type { MeasureSpec } from '../../models/measure.js';
import type { Executor } from '../../plan/executor.js';
import { openExecutor } from '../../platform/executor.js';
import { evaluationSteps, membersOf, plannedSteps } from '../../training/members.js';
import { trainingProgram } from '../../training/program.js';
import { Trainer } from '../../training/trainer.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer } from '../context.js';
import { cases, listOfCases, numbers, timeSteps } from './train.js';

export interface MeasureCost {
  case: string;
  batch: number;
  replicas: number;
  us_per_step: number;
  evaluation_ms: number; // of one evaluation on the test set
  measure_ms: Record<string, number>; // of each measure, once
  steps: number; // of the run
  evaluations: number;
  /** Shares of the run's time: evaluations, measures, both. */
  share: { evaluation: number; measures: number; both: number };
}

interface Options extends ComputeOptions {
  cases: string[];
  batches: number[];
  replicas: number[];
  steps: number;
}

const ROUNDS = 3;

export function addBenchMeasures(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('measures')
      .description('share of the time of a default run that evaluation and all measures take')
      .option('--cases <names>', `of ${Object.keys(cases).join(', ')}`, listOfCases, ['hcnn-v16', 'mla-v16'])
      .option('--batches <n,n>', 'sentences per step', numbers, [128])
      .option('--replicas <n,n>', 'replicas trained side by side', numbers, [1])
      .option('--steps <n>', 'steps per round; there are five rounds', integer(1), 20),
  ).action(async (options: Options, command: Command) => {
    const { executor, release } = await openExecutor(io.platform, options, io.log);
    try {
      const results: MeasureCost[] = [];
      for (const name of options.cases)
        for (const batch of options.batches)
          for (const replicas of options.replicas) {
            io.progress(`${name} batch ${batch} x ${replicas}`);
            results.push(await costOf({ case: name, batch, replicas }, options.steps, executor));
          }
      await io.result(command, { executor: executor.description, results }, () =>
        [executor.description, ...results.map(line)].join('\n'),
      );
    } finally {
      await release();
    }
  });
}

/** The measures that apply to the cases. */
const timed = Object.entries<MeasureSpec>(measures).flatMap(([name, { needs }]) => (needs ? [] : [name]));

async function costOf(
  run: Pick<MeasureCost, 'case' | 'batch' | 'replicas'>,
  stepsARound: number,
  executor: Executor,
): Promise<MeasureCost> {
  const { batch, replicas } = run;
  const experiment = parseExperiment({
    ...cases[run.case],
    budget: { batch },
    measures: timed,
    replicas,
  });
  const members = membersOf(experiment);
  const training = trainingProgram(members, measures);
  const trainer = await Trainer.create(members, executor, undefined, training);
  try {
    const us = await timeSteps(trainer, stepsARound);
    const evaluation = await milliseconds(() => trainer.evaluate());
    const each: Record<string, number> = {};
    for (const [i, measure] of training.measures.entries())
      each[experiment.measures[i]] = await milliseconds(() => measure.read(trainer.loaded));
    const steps = plannedSteps(experiment);
    const evaluations = evaluationSteps(steps, experiment.evaluation.perDoubling).length;
    const evaluating = evaluations * evaluation;
    const measuring = evaluations * Object.values(each).reduce((a, b) => a + b, 0);
    const whole = (steps * us) / 1000 + evaluating + measuring;
    return {
      ...run,
      us_per_step: us,
      evaluation_ms: evaluation,
      measure_ms: each,
      steps,
      evaluations,
      share: {
        evaluation: evaluating / whole,
        measures: measuring / whole,
        both: (evaluating + measuring) / whole,
      },
    };
  } finally {
    trainer.destroy();
  }
}

/** Median of the rounds; the first call, which compiles the program, does not count. */
async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  await work();
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

function line(r: MeasureCost): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const each = Object.entries(r.measure_ms).map(([name, ms]) => `${name} ${ms.toFixed(1)}`);
  return (
    `${r.case} batch ${r.batch} x ${r.replicas}: ${r.us_per_step.toFixed(0)} us a step; evaluation ${r.evaluation_ms.toFixed(1)} ms, ` +
    `${each.join(' ms, ')} ms; over ${r.steps} steps with ${r.evaluations} evaluations: evaluation ` +
    `${percent(r.share.evaluation)}, measures ${percent(r.share.measures)}, both ${percent(r.share.both)} of the time`
  );
}
