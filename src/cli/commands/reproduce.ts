/** `rhm reproduce`: the paper's figures from nothing. Runs what the store lacks, then analyses all of it. */

import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { analyze } from '../../analysis/analyze.js';
import type { Analysis } from '../../analysis/results.js';
import { contentHash } from '../../core/canonical.js';
import { InputError } from '../../core/errors.js';
import type { Executor } from '../../plan/executor.js';
import { type OpenExecutor, openExecutor } from '../../platform/executor.js';
import { readRunFolder } from '../../platform/runFolders.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import { type SweepWorker, trainChunk } from '../../sweep/chunk.js';
import { calibrate, groupRuns } from '../../sweep/cost.js';
import type { SweepRun } from '../../sweep/grid.js';
import { packLimits } from '../../sweep/pack.js';
import { figureNames, type PlannedRun, planReproduction, type Scale, scales } from '../../sweep/reproduce.js';
import { runSweep, type SweepResult } from '../../sweep/schedule.js';
import { endOf } from '../../sweep/store.js';
import { plannedSteps } from '../../training/members.js';
import { addComputeOptions, type ComputeOptions } from '../compute.js';
import { type CommandContext, number } from '../context.js';
import { abortOnSignals, timeText } from '../running.js';
import { liveView } from '../sweep/run.js';
import { workerStarter } from '../sweep/workers.js';

const MOST_WORKERS = 8;

interface Options extends ComputeOptions {
  scale: Scale;
  out?: string;
  minutes?: number;
  store?: string[];
  dryRun?: boolean;
  json?: boolean;
}

export function addReproduce(program: Command, io: CommandContext): void {
  addComputeOptions(
    program
      .command('reproduce')
      .description(
        "the paper's figures and exponents from nothing: trains what is missing, compares with theory, writes a report",
      )
      .argument('[figure...]', `some of ${figureNames.join(', ')} (default: the usual ones)`)
      .addOption(
        new Option('--scale <name>', 'minutes on two cores, or an hour on a large GPU')
          .choices(scales)
          .default('quick'),
      )
      .option('--out <dir>', 'store of runs and report (default: out/reproduce-<scale>)')
      .option(
        '--minutes <n>',
        'stop after this time with everything saved; the same command continues',
        number(0.05, 1e6),
      )
      .option(
        '--store <dir...>',
        'more stores, of other machines: what they hold is not run again, and is analysed too',
      ),
    'one run at a time, wasm on this many threads (default: a run a core)',
  )
    .option('--dry-run', 'list the runs and stop')
    .action(async (figures: string[], options: Options, command: Command) => {
      const plan = await hashed(planReproduction(options.scale, figures));
      const others = (options.store ?? []).map(storeAt);
      if (options.dryRun) {
        await io.result(command, planJson(plan), () => plan.map(planLine).join('\n'));
        return;
      }
      const out = options.out ?? join('out', `reproduce-${options.scale}`);
      const started = performance.now();
      const study = await trainMissing(plan, out, others, options, io);
      const analysis = await analyzeStudy(plan, [join(out, 'runs'), ...others]);
      if (!analysis) {
        io.log('no run got as far as its first evaluation; run the same command again to continue');
        process.exitCode = 1;
        return;
      }
      const { writeReport } = await import('../../platform/report.js');
      const title = `How hierarchical language is learnt (${options.scale} scale)`;
      const written = await writeReport(
        analysis,
        join(out, 'report'),
        title,
        figures.length ? drawnFor(figures) : undefined,
      );
      if (written.pngProblem) io.log(`no PNG files, SVG only: ${written.pngProblem}`);
      const { summary, findings, notes } = analysis;
      const seconds = (performance.now() - started) / 1000;
      const { trained, present, failed, interrupted } = study;
      const state = { trained, skipped: present, failed: failed.length, interrupted, seconds };
      await io.result(command, { ...state, summary, findings, notes, ...written }, () =>
        [
          ...failed.map(({ run, error }) => `${run.name}: ${error}`),
          ...(interrupted ? ['stopped early: the same command continues'] : []),
          ...summary,
          `report: ${written.report}`,
        ].join('\n'),
      );
      if (failed.length || (interrupted && options.minutes === undefined)) process.exitCode = 1;
    });
}

/** Trains the runs that no store holds complete: on a GPU as many side by side as fill it, on the CPU one a core. */
async function trainMissing(
  plan: readonly SweepRun[],
  out: string,
  others: readonly string[],
  options: Options,
  io: CommandContext,
): Promise<SweepResult> {
  const missing = plan.filter((run) => !isComplete(run, [join(out, 'runs'), ...others]));
  const present = plan.length - missing.length;
  if (!missing.length) return { total: plan.length, trained: 0, present, failed: [], interrupted: false };
  const { signal, abort, stop } = abortOnSignals(io);
  const timer = options.minutes === undefined ? undefined : setTimeout(abort, options.minutes * 60_000);
  let opened: OpenExecutor | undefined;
  try {
    const { executor, adapter, threads } = options;
    opened = await openExecutor(io.platform, { executor, adapter, threads }, io.log);
    const site = await siteFor(opened, missing.length, options, io);
    io.log(`${missing.length} runs on ${site.description}, into ${out}; stopped runs continue with the same command`);
    if (options.scale === 'paper') io.log(await estimateText(missing, opened.executor, signal));
    const view = liveView(io);
    const result = await runSweep(missing, openSweepFolder(out), {
      ...site,
      retryFailed: true,
      checkpointMs: options.scale === 'paper' ? 120_000 : 30_000, // of hundreds of MB, where many runs train together
      signal,
      by: `process ${process.pid} on ${hostname()}`,
      onEvent(event) {
        if (event.type !== 'run' || event.state === 'failed') view(event);
        else if (!options.json) io.log(`${event.run.name}: ${event.state}, loss ${event.loss?.toFixed(3)}`);
      },
    });
    return { ...result, total: plan.length, present: result.present + present };
  } finally {
    clearTimeout(timer);
    stop();
    await opened?.release();
  }
}

/** This thread where a GPU computes; on the CPU a worker a core, each with one thread: runs share nothing, threads wait. */
async function siteFor(opened: OpenExecutor, runs: number, options: Options, io: CommandContext) {
  const { executor } = opened;
  const workers = options.threads === undefined ? Math.min(runs, io.platform.cores, MOST_WORKERS) : 1;
  if (executor.kind === 'webgpu' || workers < 2) {
    const { openFolder, runtime } = io.platform;
    let first: OpenExecutor | undefined = opened;
    const startWorker = async (): Promise<SweepWorker> => {
      const mine = first ?? (await openExecutor(io.platform, options, io.log)); // a lost device is replaced
      first = undefined;
      const site = { openFolder, executor: async () => mine.executor, runtime };
      const limits = packLimits(mine.executor);
      const worker = {
        limits,
        train: (...work: Parameters<SweepWorker['train']>) => trainChunk(work[0], site, work[1]),
        close: () => mine.release(),
      };
      return worker;
    };
    return { workers: 1, startWorker, description: executor.description };
  }
  const choice = { isolate: 'thread', executor: 'wasm', workers, threads: 1 } as const;
  return {
    workers,
    startWorker: workerStarter(io, { ...choice, stallSeconds: 300, checkpointSeconds: 30 }, () => {}),
    description: `${workers} workers, each with WebAssembly SIMD, 1 thread`,
  };
}

async function estimateText(runs: readonly SweepRun[], executor: Executor, signal: AbortSignal): Promise<string> {
  const groups = groupRuns(runs);
  await calibrate(groups, executor, { groups: groups.length, signal });
  const parts = groups.map(({ runs, about, seconds }) => `  ${runs.length} x ${about}: ${timeText(seconds ?? NaN)}`);
  const total = groups.reduce((sum, { seconds }) => sum + (seconds ?? NaN), 0);
  return [`estimated for all, if no run stops early: ${timeText(total)}`, ...parts].join('\n');
}

/** The run's folder in the first store that holds it complete, or else in the first that holds it. */
function folderOf({ hash, experiment }: SweepRun, stores: readonly string[]): string | undefined {
  const paths = stores.map((store) => join(store, hash)).filter((path) => existsSync(join(path, 'experiment.json')));
  const complete = (path: string) => !!endOf(readRunFolder(path).records, experiment.replicas);
  return paths.find(complete) ?? paths[0];
}

const isComplete = (run: SweepRun, stores: readonly string[]): boolean => {
  const path = folderOf(run, stores);
  return path !== undefined && !!endOf(readRunFolder(path).records, run.experiment.replicas);
};

/** The analysis of the plan's own runs (the stores may hold others); undefined when there is nothing yet. */
async function analyzeStudy(plan: readonly SweepRun[], stores: readonly string[]): Promise<Analysis | undefined> {
  const folders = plan.map((run) => folderOf(run, stores)).filter((path) => path !== undefined);
  return folders.length ? analyze(folders.map(readRunFolder)) : undefined;
}

/** Some names stand for two figures. */
const drawnFor = (figures: readonly string[]) =>
  figures.flatMap((name) =>
    name === 'sharing' ? ['positions', 'ratios'] : name === 'invariance' ? [name, 'transitions'] : [name],
  );

const hashed = (plan: readonly PlannedRun[]): Promise<SweepRun[]> =>
  Promise.all(plan.map(async (run) => ({ ...run, hash: await contentHash(run.experiment) })));

/** A store as `--store` names it: the runs themselves, or the folder of an earlier `rhm reproduce`. @throws InputError */
function storeAt(path: string): string {
  const runs = join(path, 'runs');
  if (existsSync(runs)) return runs;
  if (!existsSync(path))
    throw new InputError(`--store ${path}: no such folder; pass the --out of another rhm reproduce`);
  return path;
}

const planLine = ({ name, experiment }: SweepRun) =>
  `${name}: up to ${plannedSteps(experiment)} steps of ${experiment.budget.batch}`;

const planJson = (plan: readonly SweepRun[]) => plan.map(({ name, hash, experiment }) => ({ name, hash, experiment }));
