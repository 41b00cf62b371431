/** `rhm sweep`: from one grid file to thousands of runs. */
import { type Command, Option } from 'commander';
import { exportFormats } from '../../platform/sweepExport.js';
import { serveSweepProcess } from '../../platform/sweepProcess.js';
import { addComputeOptions } from '../compute.js';
import { type CommandContext, integer, number } from '../context.js';
import { type ExportOptions, sweepExport } from '../sweep/export.js';
import { shard } from '../sweep/options.js';
import { type PlanOptions, sweepPlan } from '../sweep/plan.js';
import { type PredictOptions, resultNamed } from '../sweep/predictOptions.js';
import { type SubmitCommandOptions, sweepSubmit, sweepWork, type WorkCommandOptions } from '../sweep/queue.js';
import { type RunOptions, sweepRun } from '../sweep/run.js';
import { type SlurmOptions, sweepSlurm } from '../sweep/slurm.js';
import { type StatusOptions, sweepStatus } from '../sweep/status.js';
import { addWorkerOptions, threadsOfWorkers } from '../sweep/workers.js';

const SPEC = 'grid file, YAML or JSON; - is standard input';

export function addSweep(program: Command, io: CommandContext): void {
  const sweep = program
    .command('sweep')
    .description('train many experiments from one grid file: plan, run, status, export');

  addComputeOptions(
    sweep
      .command('plan')
      .description(
        'print the number of runs, how they are grouped, and their cost in FLOPs, bytes and time; writes nothing',
      )
      .argument('<spec>', SPEC),
    threadsOfWorkers,
  )
    .option('--out <dir>', 'store of runs (default: out/sweep-<name>)')
    .option('--no-calibrate', 'skip the estimate of time, for which some steps are trained')
    .option('--all', 'list every run')
    .action((file: string, options: PlanOptions, command: Command) => sweepPlan(io, file, options, command));

  addWorkerOptions(
    sweep
      .command('run')
      .description('train the runs of a grid that are not yet in the store; the same command continues')
      .argument('<spec>', SPEC),
  )
    .option('--out <dir>', 'store of runs (default: out/sweep-<name>)')
    .option('--tries <n>', 'mark a run as failed after this many workers died while training it', integer(1, 1000), 3)
    .option('--retry-failed', 'train failed runs again')
    .option('--shard <i/N>', 'only part i of N of the grid, counted from 0', shard)
    .action((file: string, options: RunOptions, command: Command) => sweepRun(io, file, options, command));

  sweep
    .command('status')
    .description('print which runs are done, running, failed or waiting, and why')
    .argument('<store>', 'store of runs, or a grid file')
    .option('--out <dir>', 'store of the grid (default: out/sweep-<name>)')
    .option('--all', 'list every run')
    .option('--check', 'read the records of every run and correct the index')
    .action((target: string, options: StatusOptions, command: Command) => sweepStatus(io, target, options, command));

  sweep
    .command('predict')
    .description(
      'predict P_ell and the best loss, with 95% intervals, of the untrained runs of a grid from the runs of a store: the law of the model ' +
        'times fitted factors; refuses what lies outside the store, and prints how well it predicts grammars that were left out',
    )
    .argument('<spec>', SPEC)
    .option('--store <dir...>', 'stores, or folders with runs, that are fitted (default: out/sweep-<name>)')
    .option('--suggest <n>', 'print the n runs of the grid that would narrow a result the most', integer(1, 1000))
    .option(
      '--result <name>',
      'result to narrow: P_ell, or power_ell, the power of m in it (default: P of the deepest step)',
      resultNamed,
    )
    .option('--no-validate', 'skip the predictions of grammars that are left out')
    .action(async (file: string, options: PredictOptions, command: Command) => {
      const { sweepPredict } = await import('../sweep/predict.js'); // with a library of matrices
      await sweepPredict(io, file, options, command);
    });

  sweep
    .command('export')
    .description('write runs, evaluations and measures as Parquet and CSV, for pandas, DuckDB or R')
    .argument('<store>', 'store of runs, or a grid file')
    .option('--out <dir>', 'store of the grid (default: out/sweep-<name>)')
    .option('--to <dir>', 'folder to write to (default: <store>/export)')
    .addOption(new Option('--format <name>', 'write this format only').choices(exportFormats))
    .action((target: string, options: ExportOptions, command: Command) => sweepExport(io, target, options, command));

  sweep
    .command('submit')
    .description('put the missing runs of a grid into a queue and collect the results into the store')
    .argument('<spec>', SPEC)
    .option(
      '--queue <url>',
      'Redis or Valkey server: redis://[user:password@]host[:port], rediss:// for TLS (default: RHM_QUEUE)',
    )
    .option('--out <dir>', 'store of runs (default: out/sweep-<name>)')
    .option('--detach', 'return once all runs are queued; the same command without --detach collects the results')
    .option('--window <n>', 'largest number of runs in the queue', integer(1, 100_000), 512)
    .option('--tries <n>', 'mark a run as failed after this many failures', integer(1, 1000), 3)
    .option('--retry-failed', 'train failed runs again')
    .action((file: string, options: SubmitCommandOptions, command: Command) => sweepSubmit(io, file, options, command));

  addWorkerOptions(sweep.command('work').description('train runs from a queue, on any number of machines'))
    .option('--queue <url>', 'Redis or Valkey server, as for rhm sweep submit (default: RHM_QUEUE)')
    .option(
      '--shared <dir>',
      'folder shared by all machines, in which a run whose worker died continues from its last checkpoint',
    )
    .option(
      '--lock-seconds <n>',
      'hand a run to another worker when its own has been silent for this long',
      number(1, 86400),
      30,
    )
    .option('--tries <n>', 'number of times a run may lose its worker', integer(1, 1000), 3)
    .option(
      '--results-mb <n>',
      'largest size of the results of one store that wait in the server',
      number(0.001, 1e6),
      512,
    )
    .option('--idle-seconds <n>', 'exit after this long without work (default: never)', number(0, 1e9))
    .action((options: WorkCommandOptions, command: Command) => sweepWork(io, options, command));

  sweep
    .command('slurm')
    .description('write a Slurm job array whose tasks take disjoint parts of the grid')
    .argument('<spec>', 'grid file, which the tasks read')
    .option('--out <dir>', 'store of runs, in a folder shared by all nodes (default: out/sweep-<name>)')
    .option('--file <file>', 'script to write; - is standard output (default: <name>.sbatch)')
    .option('--tasks <n>', 'tasks of the array (default: one per run, at most 1000)', integer(1, 100_000))
    .option('--at-once <n>', 'tasks that run at the same time', integer(1, 100_000))
    .option('--time <limit>', 'time limit of a task', '04:00:00')
    .option('--partition <name>', 'partition')
    .option('--gpus <n>', 'GPUs per task', integer(0, 64))
    .option('--cpus <n>', 'cores per task', integer(1, 1024), 4)
    .option('--mem <size>', 'memory per task, for example 8G')
    .option('--sbatch <option...>', 'further options of sbatch, for example --sbatch=--account=physics')
    .option('--run <option...>', 'further options of rhm sweep run, for example --run=--workers --run=4')
    .action((file: string, options: SlurmOptions, command: Command) => sweepSlurm(io, file, options, command));

  sweep
    .command('child', { hidden: true })
    .description('a worker of rhm sweep run')
    .action(() => serveSweepProcess(io.platform));
}
