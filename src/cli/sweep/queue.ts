/** `rhm sweep submit` and `rhm sweep work`: runs on many machines through Redis or Valkey. */
import type { Command } from 'commander';
import { counted } from '../../core/counted.js';
import { printableJson } from '../../core/outside.js';
import { connectQueue } from '../../platform/queue/connect.js';
import { queueAddress, submitSweep } from '../../platform/queue/submit.js';
import { workOnQueue } from '../../platform/queue/work.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import type { CommandContext } from '../context.js';
import { keepDigests } from '../ownData.js';
import { abortOnSignals } from '../running.js';
import { combinationsText, readGrid, refuseSearch, storeOf } from './options.js';
import { jsonLines, liveView, resultText, summaryOf } from './run.js';
import { type WorkerOptions, workersOf } from './workers.js';

export interface SubmitCommandOptions {
  queue?: string;
  out?: string;
  detach?: boolean;
  window: number;
  tries: number;
  retryFailed?: boolean;
  json?: boolean;
}

export async function sweepSubmit(
  io: CommandContext,
  file: string,
  options: SubmitCommandOptions,
  command: Command,
): Promise<void> {
  const address = queueAddress(options.queue, process.env.RHM_QUEUE);
  const grid = await readGrid(file);
  const combinations = combinationsText(grid);
  if (combinations) io.log(combinations);
  refuseSearch(grid, 'rhm sweep submit');
  const out = storeOf(grid, options.out);
  const store = openSweepFolder(out);
  await keepDigests(out, grid.rows);
  const connection = await connectQueue(address, io.log);
  const abort = abortOnSignals(io, 'the queue keeps what was submitted; the same command collects it');
  const started = performance.now();
  try {
    const result = await submitSweep(grid.runs, store, connection, {
      openFolder: io.platform.openFolder,
      window: options.window,
      tries: options.tries,
      retryFailed: options.retryFailed,
      detach: options.detach,
      signal: abort.signal,
      report: io.log,
      onEvent: options.json ? jsonLines(io) : liveView(io),
    });
    const summary = {
      ...summaryOf(result),
      out,
      queue: connection.shown,
      seconds: (performance.now() - started) / 1000,
    };
    if (options.json) await io.write(`${printableJson({ type: 'end', ...summary })}\n`);
    else await io.result(command, summary, () => resultText(result, out, summary.seconds));
    if (result.failed.length) process.exitCode = 1;
    if (result.interrupted && (abort.signal.aborted || !options.detach)) process.exitCode = abort.status;
  } finally {
    abort.stop();
    await connection.close();
  }
}

export interface WorkCommandOptions extends WorkerOptions {
  queue?: string;
  shared?: string;
  lockSeconds: number;
  tries: number;
  resultsMb: number;
  idleSeconds?: number;
  json?: boolean;
}

export async function sweepWork(io: CommandContext, options: WorkCommandOptions, command: Command): Promise<void> {
  const told = new Set<string>();
  const workers = workersOf(io, options, (executor) => {
    if (!told.has(executor)) io.log(`working for ${connection.shown} on ${executor}`);
    told.add(executor);
  });
  const connection = await connectQueue(queueAddress(options.queue, process.env.RHM_QUEUE), io.log);
  const abort = abortOnSignals(io, 'saving the current runs and handing them back');
  try {
    const result = await workOnQueue(connection, {
      ...workers,
      replicas: options.pack,
      openFolder: io.platform.openFolder,
      shared: options.shared,
      lockMs: options.lockSeconds * 1000,
      tries: options.tries,
      checkpointMs: options.checkpointSeconds * 1000,
      stallMs: options.stallSeconds * 1000,
      resultBytes: options.resultsMb * 2 ** 20,
      idleMs: options.idleSeconds === undefined ? undefined : options.idleSeconds * 1000,
      signal: abort.signal,
      report: io.log,
      onEvent(event) {
        if (options.json) void io.write(`${printableJson({ type: 'run', ...event })}\n`);
        else if (event.state !== 'begun')
          io.log(`${event.name}: ${event.state}${event.error ? `: ${event.error}` : ''}`);
      },
    });
    if (options.json) await io.write(`${printableJson({ type: 'end', ...result })}\n`);
    else
      await io.result(
        command,
        result,
        () =>
          `${counted(result.trained, 'run')} trained, ${result.failed} failed, ${result.handedBack} handed back to the queue`,
      );
    if (abort.signal.aborted) process.exitCode = abort.status;
  } finally {
    abort.stop();
    await connection.close();
  }
}
