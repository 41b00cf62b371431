/** `rhm tune`: measures matmul tiles on this adapter and stores the fastest ones for later runs. */
import type { Command } from 'commander';
import { counted } from '../../core/counted.js';
import { InputError } from '../../core/errors.js';
import { type Experiment, parseExperiment } from '../../core/experiment.js';
import type { Precision } from '../../core/precision.js';
import { productsOf, type TuneShape, tuneKey, tuneMatmul } from '../../kernels/tools/tune.js';
import { saveTuned } from '../../platform/tuned.js';
import { membersOf } from '../../training/members.js';
import { trainingProgram } from '../../training/program.js';
import { cases, listOfCases, numbers } from '../bench/train.js';
import { precisionOption } from '../compute.js';
import type { CommandContext } from '../context.js';
import { DOCUMENT } from '../document.js';
import { readExperiment } from './train.js';

interface Options {
  set?: string[];
  cases: string[];
  batches: number[];
  replicas: number[];
  adapter?: string;
  precision: Precision;
}

export function addTune(program: Command, io: CommandContext): void {
  program
    .command('tune')
    .description(
      'find the fastest matmul tiles for an experiment on this adapter, check each result, and store the winners in a cache file; results of runs do not change',
    )
    .argument('[experiment]', `${DOCUMENT} (default: the cases of rhm bench train)`)
    .option('--set <field=value...>', 'set fields of the experiment, with or without a file')
    .option('--cases <names>', 'without an experiment: cases of rhm bench train', listOfCases, ['hcnn-v16', 'mla-v16'])
    .option('--batches <n,n>', 'without an experiment: sentences per step', numbers, [128, 1024])
    .option('--replicas <n,n>', 'replicas trained side by side', numbers, [1])
    .addOption(precisionOption('without an experiment: what products compute with'))
    .option('--adapter <name>', 'gpu, lavapipe, swiftshader or an adapter name')
    .action(async (file: string | undefined, options: Options, command: Command) => {
      const experiments =
        file !== undefined || options.set
          ? [readExperiment(file, options.set ?? [])]
          : options.cases.flatMap((name) =>
              options.batches.map((batch) =>
                parseExperiment({ ...cases[name], budget: { batch }, precision: options.precision }),
              ),
            );
      const shapes = shapesOf(experiments, options.replicas);
      const session = await io.platform.openGpu({ adapter: options.adapter, report: io.log });
      try {
        if (session.info.software)
          throw new InputError(
            `tune: ${session.info.name} runs on the CPU and has one matmul variant; nothing to tune`,
          );
        if (!session.matrixUnits && shapes.some(({ half }) => half))
          throw new InputError(
            `tune: precision f16 needs matrix units, ${session.info.name} has none; tune for f32 there`,
          );
        const { results, winners } = await tuneMatmul(session, shapes, io.log);
        const kept = saveTuned(session.info, winners);
        await io.result(
          command,
          { adapter: session.info.name, file: kept, results },
          () => `${counted(winners.size, 'winner')} kept in ${kept}`,
        );
      } finally {
        await session.release();
      }
    });
}

/** The products of a training step of each experiment, with each number of replicas. */
function shapesOf(experiments: readonly Experiment[], replicas: readonly number[]): TuneShape[] {
  const found = new Map<string, TuneShape>();
  for (const experiment of experiments)
    for (const copies of replicas) {
      const { program } = trainingProgram(membersOf({ ...experiment, replicas: copies, measures: [] }));
      for (const shape of productsOf(program.plans.get('train')!.calls)) found.set(tuneKey(shape), shape);
    }
  return [...found.values()];
}
