/** `rhm sweep`: from one grid file to thousands of runs. */
import { type Command, Option } from 'commander';
import { exportFormats } from '../../platform/sweepExport.js';
import { serveSweepProcess } from '../../platform/sweepProcess.js';
import { addComputeOptions } from '../compute.js';
import { type CommandContext, integer, number } from '../context.js';
import { type ExportOptions, sweepExport } from '../sweep/export.js';
import { shard } from '../sweep/options.js';
import { type PlanOptions, sweepPlan } from '../sweep/plan.js';
import { type SubmitCommandOptions, sweepSubmit, sweepWork, type WorkCommandOptions } from '../sweep/queue.js';
import { type RunOptions, sweepRun } from '../sweep/run.js';
import { type SlurmOptions, sweepSlurm } from '../sweep/slurm.js';
import { type StatusOptions, sweepStatus } from '../sweep/status.js';
import { addWorkerOptions, threadsOfWorkers } from '../sweep/workers.js';

const SPEC = 'grid file, YAML or JSON; - is standard input';

export function addSweep(program: Command, io: CommandContext): void {
  const sweep = program.command('sweep').description('many experiments from one grid file: plan, run, look, export');

  addComputeOptions(
    sweep
      .command('plan')
      .description('how many runs, how they group, what they cost in FLOPs, bytes and time; nothing is written')
      .argument('<spec>', SPEC),
    threadsOfWorkers,
  )
    .option('--out <dir>', 'store of runs (default: out/sweep-<name>)')
    .option('--no-calibrate', 'leave out the estimate of time, which trains for a moment')
    .option('--all', 'list every run')
    .action((file: string, options: PlanOptions, command: Command) => sweepPlan(io, file, options, command));

  addWorkerOptions(
    sweep
      .command('run')
      .description('train the runs of a grid that the store does not hold; the same command continues')
      .argument('<spec>', SPEC),
  )
    .option('--out <dir>', 'store of runs (default: out/sweep-<name>)')
    .option('--tries <n>', 'set a run aside when this many workers died of it', integer(1, 1000), 3)
    .option('--retry-failed', 'train again what was set aside')
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
    .command('export')
    .description('runs, evaluations and measures as Parquet and CSV, for pandas, DuckDB, R')
    .argument('<store>', 'store of runs, or a grid file')
    .option('--out <dir>', 'store of the grid (default: out/sweep-<name>)')
    .option('--to <dir>', 'folder to write to (default: <store>/export)')
    .addOption(new Option('--format <name>', 'only this one').choices(exportFormats))
    .action((target: string, options: ExportOptions, command: Command) => sweepExport(io, target, options, command));

  sweep
    .command('submit')
    .description('put the missing runs of a grid into a queue, bring the results into the store')
    .argument('<spec>', SPEC)
    .option(
      '--queue <url>',
      'Redis or Valkey: redis://[user:password@]host[:port], rediss:// for TLS (default: RHM_QUEUE)',
    )
    .option('--out <dir>', 'store of runs (default: out/sweep-<name>)')
    .option('--detach', 'return when all is in the queue; the same command without it collects the results')
    .option('--window <n>', 'runs in the queue at a time', integer(1, 100_000), 512)
    .option('--tries <n>', 'set a run aside after this many failures', integer(1, 1000), 3)
    .option('--retry-failed', 'train again what was set aside')
    .action((file: string, options: SubmitCommandOptions, command: Command) => sweepSubmit(io, file, options, command));

  addWorkerOptions(sweep.command('work').description('train runs from a queue; any number of machines may do so'))
    .option('--queue <url>', 'Redis or Valkey, as of rhm sweep submit (default: RHM_QUEUE)')
    .option(
      '--shared <dir>',
      'folder that all machines see: a run whose worker died is continued from its last checkpoint',
    )
    .option(
      '--lock-seconds <n>',
      'a run whose worker gives no sign for this long goes to another',
      number(1, 86400),
      30,
    )
    .option('--tries <n>', 'times a run may lose its worker', integer(1, 1000), 3)
    .option(
      '--results-mb <n>',
      'results of one store that may wait in the server to be collected',
      number(0.001, 1e6),
      512,
    )
    .option('--idle-seconds <n>', 'end when there was nothing to do for this long (default: never)', number(0, 1e9))
    .action((options: WorkCommandOptions, command: Command) => sweepWork(io, options, command));

  sweep
    .command('slurm')
    .description('write a Slurm job array whose tasks take disjoint parts of the grid')
    .argument('<spec>', 'grid file, which the tasks will read')
    .option('--out <dir>', 'store of runs, in a folder that all nodes see (default: out/sweep-<name>)')
    .option('--file <file>', 'script to write; - is standard output (default: <name>.sbatch)')
    .option('--tasks <n>', 'tasks of the array (default: one a run, at most 1000)', integer(1, 100_000))
    .option('--at-once <n>', 'tasks at once', integer(1, 100_000))
    .option('--time <limit>', 'time limit of a task', '04:00:00')
    .option('--partition <name>', 'partition')
    .option('--gpus <n>', 'GPUs a task', integer(0, 64))
    .option('--cpus <n>', 'cores a task', integer(1, 1024), 4)
    .option('--mem <size>', 'memory a task, for example 8G')
    .option('--sbatch <option...>', 'more options of sbatch, for example --sbatch=--account=physics')
    .option('--run <option...>', 'more options of rhm sweep run, for example --run=--workers --run=4')
    .action((file: string, options: SlurmOptions, command: Command) => sweepSlurm(io, file, options, command));

  sweep
    .command('child', { hidden: true })
    .description('a worker of rhm sweep run')
    .action(() => serveSweepProcess(io.platform));
}
