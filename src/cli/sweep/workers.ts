/** Workers of the sweep commands: processes (one per card if there are several), threads, or this thread. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, Option } from 'commander';
import { FileError } from '../../core/errors.js';
import { modelModules } from '../../models/define.js';
import { type ExecutorChoice, openExecutor } from '../../platform/executor.js';
import { startSweepProcess } from '../../platform/sweepProcess.js';
import { startSweepThread } from '../../platform/sweepThread.js';
import { type SweepWorker, trainChunk } from '../../sweep/chunk.js';
import { packLimits } from '../../sweep/pack.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer, number } from '../context.js';
import { addGpusOption, cardWorkers, type GpuOptions, givenCards, refuseGpus } from './gpus.js';

/** The meaning of --threads if several workers share the cores. */
export const threadsOfWorkers = 'number of threads for wasm (default: the cores divided among the workers)';

const isolations = ['process', 'thread', 'none'] as const;

export interface WorkerOptions extends ComputeOptions, GpuOptions {
  workers?: number;
  isolate?: (typeof isolations)[number];
  pack?: number;
  stallSeconds: number;
  checkpointSeconds: number;
}

export function addWorkerOptions(command: Command): Command {
  return addGpusOption(addComputeOptions(command, threadsOfWorkers))
    .option('--workers <n>', 'number of workers (default: one per GPU in use, else 1)', integer(1, 256))
    .addOption(
      new Option(
        '--isolate <kind>',
        'run workers as processes (a hanging driver cannot block the sweep), as threads, or not at all (on this thread)',
      ).choices(isolations),
    )
    .option(
      '--pack <n>',
      'largest number of replicas in one plan (default: chosen by the speed of the executor)',
      integer(1, 4096),
    )
    .option('--stall-seconds <n>', 'kill a worker that has been silent for this long', number(1, 1e6), 300)
    .option('--checkpoint-seconds <n>', 'time between checkpoints of a run', number(0), 30);
}

/** The number of simultaneous workers, and how one of them is started. */
export interface Workers {
  readonly workers: number;
  readonly startWorker: (index: number) => Promise<SweepWorker>;
  /** Each computes on a separate card: a worker that keeps losing its runs is given up while others continue. */
  readonly ownDevices?: boolean;
}

/** Workers that outlive a sweep, with the compiled code of their drivers, for the rounds of a search. */
export interface KeptWorkers extends Workers {
  /** Ends them all. */
  end(): Promise<void>;
}

export function keepWorkers(workers: Workers): KeptWorkers {
  const idle = new Map<number, SweepWorker>();
  return {
    ...workers,
    async startWorker(index) {
      const worker = idle.get(index) ?? (await workers.startWorker(index));
      idle.delete(index);
      if (!worker.kill) return worker; // closing it might hang
      return { ...worker, close: async () => void idle.set(index, worker) };
    },
    async end() {
      await Promise.all([...idle.values()].map((worker) => worker.close().catch(() => {})));
      idle.clear();
    },
  };
}

/** Workers of the requested kind. @throws InputError, AdapterError */
export function workersOf(io: CommandContext, options: WorkerOptions, onStart: (executor: string) => void): Workers {
  const { platform } = io;
  const { isolate = platform.name === 'node' ? 'process' : 'none' } = options;
  if (options.isolate !== undefined && isolate !== 'process') refuseGpus(options, `--isolate ${isolate}`);
  const { executor, adapter, threads, simd, emulateF16 } = options;
  const choiceFor = (workers: number): ExecutorChoice => {
    const mostThreads = Math.max(1, Math.floor(platform.cores / workers)); // on the CPU the workers share the cores
    return { executor, adapter, threads, simd, emulateF16, mostThreads, models: modelModules() };
  };
  const start = processStart(choiceFor, onStart);
  if (isolate === 'process') return cardWorkers(io, options, start) ?? plainProcesses(start, options.workers ?? 1);
  const cards = options.isolate === undefined ? givenCards(io, options, start) : undefined;
  if (cards) return cards;
  const { workers = 1 } = options;
  const choice = choiceFor(workers);
  if (isolate === 'thread')
    return {
      workers,
      async startWorker() {
        const script = pathToFileURL(scriptBeside(`worker.${platform.name}.js`));
        const port =
          platform.name === 'node'
            ? (await import('../../platform/nodeWorker.js')).startNodeWorker(script)
            : (await import('../../platform/webWorker.js')).startWebWorker(script);
        return startSweepThread(port, choice, onStart);
      },
    };
  return {
    workers,
    async startWorker() {
      const opened = await openExecutor(platform, choice, io.log);
      onStart(opened.executor.description);
      const site = {
        openFolder: platform.openFolder,
        executor: async () => opened.executor,
        host: platform.host(),
      };
      return {
        limits: packLimits(opened.executor),
        train: (runs, hooks) => trainChunk(runs, site, hooks),
        close: () => opened.release(),
      };
    },
  };
}

/** Options for starting worker processes. */
export interface ProcessStart {
  /** @throws FileError when the package is not complete */
  readonly script: () => string;
  readonly args: readonly string[];
  readonly choiceFor: (workers: number) => ExecutorChoice;
  readonly onStart: (executor: string) => void;
}

export const processStart = (choiceFor: ProcessStart['choiceFor'], onStart: ProcessStart['onStart']): ProcessStart => ({
  script: () => scriptBeside('cli.js'),
  args: ['sweep', 'child'],
  choiceFor,
  onStart,
});

function plainProcesses({ script, args, choiceFor, onStart }: ProcessStart, workers: number): Workers {
  const choice = choiceFor(workers);
  return {
    workers,
    async startWorker() {
      const worker = await startSweepProcess(script(), args, choice);
      onStart(worker.executor);
      return worker;
    },
  };
}

/** @throws FileError when the package is not complete. */
export function scriptBeside(name: string): string {
  const script = join(dirname(realpathSync(process.argv[1])), name);
  if (!existsSync(script)) throw new FileError(`${script}: not there; install rhm-lab again, or pass --isolate none`);
  return script;
}
