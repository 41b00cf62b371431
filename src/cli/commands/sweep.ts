/** `rhm sweep`: from one grid file to thousands of runs. */
import { type Command, Option } from 'commander';
import { serveSweepProcess } from '../../platform/sweepProcess.js';
import { type CommandContext, integer, number } from '../context.js';
import { addComputeOptions, shard } from '../sweep/options.js';
import { isolations, type RunOptions, sweepRun } from '../sweep/run.js';
import { type StatusOptions, sweepStatus } from '../sweep/status.js';

const SPEC = 'grid file, YAML or JSON; - is standard input';

export function addSweep(program: Command, io: CommandContext): void {
  const sweep = program.command('sweep').description('many experiments from one grid file: plan, run, look, export');

  addComputeOptions(
    sweep
      .command('run')
      .description('train the runs of a grid that the store does not hold; the same command continues')
      .argument('<spec>', SPEC),
  )
    .option('--out <dir>', 'store of runs (default: out/sweep-<name>)')
    .option('--workers <n>', 'workers at once, each with its own device', integer(1, 256), 1)
    .addOption(
      new Option(
        '--isolate <kind>',
        'workers are processes, which a hanging driver cannot hold up, threads, or none: this thread',
      ).choices(isolations),
    )
    .option('--tries <n>', 'set a run aside when this many workers died of it', integer(1, 1000), 3)
    .option('--retry-failed', 'train again what was set aside')
    .option('--stall-seconds <n>', 'end a worker that gives no sign of life for this long', number(1, 1e6), 300)
    .option('--checkpoint-seconds <n>', 'time between checkpoints of a run', number(0), 30)
    .option('--shard <i/N>', 'only part i of N of the grid, i from 0', shard)
    .action((file: string, options: RunOptions, command: Command) => sweepRun(io, file, options, command));

  sweep
    .command('status')
    .description('what is done, running, failed and waiting, and why')
    .argument('<store>', 'store of runs, or a grid file')
    .option('--out <dir>', 'store of the grid (default: out/sweep-<name>)')
    .option('--all', 'list every run')
    .option('--check', 'read the records of every run and set the index right')
    .action((target: string, options: StatusOptions, command: Command) => sweepStatus(io, target, options, command));

  sweep
    .command('child', { hidden: true })
    .description('a worker of rhm sweep run')
    .action(() => serveSweepProcess(io.platform));
}
