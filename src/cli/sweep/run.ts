/** `rhm sweep run`: trains what the store lacks. */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import { counted } from '../../core/counted.js';
import { printableJson } from '../../core/outside.js';
import { keepExperiments } from '../../platform/storedExperiments.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import type { Grid, SweepRun } from '../../sweep/grid.js';
import { runGridSearch } from '../../sweep/gridRounds.js';
import { foundJson, foundText } from '../../sweep/gridSearch.js';
import type { SweepView } from '../../sweep/progress.js';
import { runSweep, type SweepEvent, type SweepResult } from '../../sweep/schedule.js';
import type { Found } from '../../sweep/search.js';
import { files } from '../../training/folder.js';
import type { CommandContext } from '../context.js';
import { keepDigests } from '../ownData.js';
import { abortOnSignals, timeText } from '../running.js';
import { combinationsText, readGrid, type Shard, shardOf, storeOf } from './options.js';
import { keepWorkers, type WorkerOptions, workersOf } from './workers.js';

export interface RunOptions extends WorkerOptions {
  out?: string;
  tries: number;
  retryFailed?: boolean;
  shard?: Shard;
  json?: boolean;
}

export async function sweepRun(io: CommandContext, file: string, options: RunOptions, command: Command): Promise<void> {
  const grid = await readGrid(file);
  const runs = shardOf(grid.runs, options.shard);
  const out = storeOf(grid, options.out);
  const combinations = combinationsText(grid);
  if (combinations) io.log(combinations);
  const store = openSweepFolder(out);
  await keepDigests(out, grid.rows);
  await keepExperiments(out, runs);
  const abort = abortOnSignals(io);
  const told = new Set<string>();
  const started = performance.now();
  const workers = keepWorkers(
    workersOf(io, options, (executor) => {
      if (!told.has(executor)) io.log(`running on ${executor}; ${counted(runs.length, 'run')} into ${out}`);
      told.add(executor);
    }),
  );
  const train = (runs: readonly SweepRun[]) =>
    runSweep(runs, store, {
      ...workers,
      replicas: options.pack,
      tries: options.tries,
      retryFailed: options.retryFailed,
      stallMs: options.stallSeconds * 1000,
      checkpointMs: options.checkpointSeconds * 1000,
      by: `process ${process.pid} on ${hostname()}`,
      signal: abort.signal,
      onEvent: options.json ? jsonLines(io) : liveView(io),
    });
  try {
    const { result, found } = grid.search
      ? await searchSweep({ ...grid, runs }, train, (run) => store.file(run.hash, files.records), io)
      : { result: await train(runs), found: undefined };
    const summary = {
      ...summaryOf(result),
      ...(found && { found: found.map(foundJson) }),
      out,
      seconds: (performance.now() - started) / 1000,
    };
    if (options.json) await io.write(`${printableJson({ type: 'end', ...summary })}\n`);
    else
      await io.result(command, summary, () =>
        [resultText(result, out, summary.seconds), ...(found ?? []).map(foundText)].join('\n'),
      );
    if (result.stopped && options.json) io.log(result.stopped);
    if (result.failed.length) process.exitCode = 1;
    if (result.interrupted) process.exitCode = abort.status;
  } finally {
    await workers.end();
    abort.stop();
  }
}

/** Trains a grid with a search round by round. */
async function searchSweep(
  grid: Pick<Grid, 'search' | 'runs'>,
  train: (runs: readonly SweepRun[]) => Promise<SweepResult>,
  records: (run: SweepRun) => Promise<string | undefined>,
  io: CommandContext,
): Promise<{ result: SweepResult; found: Found[] }> {
  const all: SweepResult = { total: 0, trained: 0, present: 0, failed: [], interrupted: false };
  const found = await runGridSearch(grid, {
    async train(runs, round) {
      io.log(`round ${round} of the search: ${counted(runs.length, 'run')}`);
      const { total, trained, present, failed, interrupted, stopped } = await train(runs);
      all.total += total;
      all.trained += trained;
      all.present += present;
      all.failed.push(...failed);
      all.interrupted ||= interrupted;
      all.stopped ??= stopped;
      return !interrupted;
    },
    records,
  });
  return { result: all, found };
}

export const summaryOf = ({ total, trained, present, failed, interrupted, stopped }: SweepResult) => ({
  total,
  trained,
  present,
  failed: failed.map(({ run, error }) => ({ run: run.hash, name: run.name, error })),
  interrupted,
  ...(stopped && { stopped }),
});

export function resultText(
  { total, trained, present, failed, interrupted, stopped }: SweepResult,
  out: string,
  seconds: number,
): string {
  const lines = [
    `${trained + present} of ${counted(total, 'run')} ${total === 1 ? 'is' : 'are'} complete in ${out}: ${trained} trained now in ${timeText(seconds)}, ${present} were there`,
  ];
  if (stopped) lines.push(stopped);
  else if (interrupted) lines.push('stopped early: the same command continues');
  if (failed.length) lines.push(`${failed.length} set aside (again with --retry-failed):`);
  for (const { run, error } of failed.slice(0, 20)) lines.push(`  ${run.name} (${run.hash}): ${error}`);
  return lines.join('\n');
}

/** One line per change, and progress at most once per second. */
export function jsonLines(io: CommandContext): (event: SweepEvent) => void {
  let last = -Infinity;
  return (event) => {
    if (event.type === 'progress') {
      if (!event.last && performance.now() - last < 1000) return;
      last = performance.now();
      const { view } = event;
      void io.write(`${printableJson({ type: 'progress', ...view })}\n`);
    } else {
      const flat = 'run' in event ? { ...event, run: event.run.hash, name: event.run.name } : event;
      void io.write(`${printableJson(flat)}\n`);
    }
  };
}

export function liveView(io: CommandContext): (event: SweepEvent) => void {
  return (event) => {
    if (event.type === 'begin') {
      const { total, done, failed, waiting, repaired } = event;
      const more = [
        failed && `${failed} set aside`,
        repaired && `${counted(repaired, 'entry', 'entries')} of the index corrected`,
      ];
      io.log([`${counted(total, 'run')}: ${done} complete, ${waiting} to train`, ...more.filter(Boolean)].join(', '));
    } else if (event.type === 'retry') io.log(`${event.run.name}: ${event.error}; again (${event.tries} so far)`);
    else if (event.type === 'device')
      io.log(`${event.place ?? `worker ${event.worker}`} is abandoned; its runs go to the others: ${event.error}`);
    else if (event.type === 'run' && event.state === 'failed') io.log(`${event.run.name}: set aside: ${event.error}`);
    else if (event.type === 'progress') io.progress(progressLine(event.view), event.last);
  };
}

export function progressLine({
  total,
  done,
  failed,
  running,
  cards = [],
  fraction,
  samplesPerSecond,
  secondsLeft,
}: SweepView): string {
  const rate = (speed: number) => (speed >= 1e4 ? `${(speed / 1e3).toFixed(0)}k` : speed.toFixed(0));
  const each = cards.map(({ card, samplesPerSecond }) => `${card.replace(/^card /, '')}: ${rate(samplesPerSecond)}`);
  const width = 20;
  const full = Math.round(fraction * width);
  const bar = '█'.repeat(full) + '░'.repeat(width - full);
  const now = running[0];
  return [
    `${bar} ${(100 * fraction).toFixed(0)}%`,
    `${done}/${total} runs`,
    ...(failed ? [`${failed} failed`] : []),
    `${rate(samplesPerSecond)} samples/s${cards.length > 1 ? ` (cards ${each.join(', ')})` : ''}`,
    `${timeText(secondsLeft)} left`,
    ...(now ? [`${now.name}: loss ${now.loss.toFixed(3)}`] : []),
  ].join('  ');
}
