/** Workers of the sweep commands: processes, threads, or this thread. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, Option } from 'commander';
import { FileError } from '../../core/errors.js';
import { modelModules } from '../../models/define.js';
import { openExecutor } from '../../platform/executor.js';
import { startSweepProcess } from '../../platform/sweepProcess.js';
import { startSweepThread } from '../../platform/sweepThread.js';
import { type SweepWorker, trainChunk } from '../../sweep/chunk.js';
import { packLimits } from '../../sweep/pack.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, integer, number } from '../context.js';

/** What --threads means where several workers share the cores. */
export const threadsOfWorkers = 'wasm on this many threads (default: the cores shared out among the workers)';

const isolations = ['process', 'thread', 'none'] as const;

export interface WorkerOptions extends ComputeOptions {
  workers: number;
  isolate?: (typeof isolations)[number];
  pack?: number;
  stallSeconds: number;
  checkpointSeconds: number;
}

export function addWorkerOptions(command: Command): Command {
  return addComputeOptions(command, threadsOfWorkers)
    .option('--workers <n>', 'workers at once, each with its own device', integer(1, 256), 1)
    .addOption(
      new Option(
        '--isolate <kind>',
        'workers are processes, which a hanging driver cannot hold up, threads, or none: this thread',
      ).choices(isolations),
    )
    .option(
      '--pack <n>',
      'replicas side by side in one plan at most (default: what pays on the executor)',
      integer(1, 4096),
    )
    .option('--stall-seconds <n>', 'end a worker that gives no sign of life for this long', number(1, 1e6), 300)
    .option('--checkpoint-seconds <n>', 'time between checkpoints of a run', number(0), 30);
}

/** Starts workers of the kind asked for. */
export function workerStarter(
  io: CommandContext,
  options: WorkerOptions,
  onStart: (executor: string) => void,
): (index: number) => Promise<SweepWorker> {
  const { platform } = io;
  const isolate = options.isolate ?? (platform.name === 'node' ? 'process' : 'none');
  const { executor, adapter, threads, simd } = options;
  const mostThreads = Math.max(1, Math.floor(platform.cores / options.workers)); // on the CPU the workers share the cores
  const choice = { executor, adapter, threads, simd, mostThreads, models: modelModules() };
  if (isolate === 'process')
    return () => startSweepProcess(scriptBeside('cli.js'), ['sweep', 'child'], choice, onStart);
  if (isolate === 'thread')
    return async () => {
      const script = pathToFileURL(scriptBeside(`worker.${platform.name}.js`));
      const port =
        platform.name === 'node'
          ? (await import('../../platform/nodeWorker.js')).startNodeWorker(script)
          : (await import('../../platform/webWorker.js')).startWebWorker(script);
      return startSweepThread(port, choice, onStart);
    };
  return async () => {
    const opened = await openExecutor(platform, choice, io.log);
    onStart(opened.executor.description);
    const site = { openFolder: platform.openFolder, executor: async () => opened.executor, runtime: platform.runtime };
    return {
      limits: packLimits(opened.executor),
      train: (runs, hooks) => trainChunk(runs, site, hooks),
      close: () => opened.release(),
    };
  };
}

/** @throws FileError when the package is not complete. */
function scriptBeside(name: string): string {
  const script = join(dirname(realpathSync(process.argv[1])), name);
  if (!existsSync(script)) throw new FileError(`${script}: not there; install rhm-lab again, or pass --isolate none`);
  return script;
}
