/** `rhm reproduce`: the paper's figures from nothing. Runs what the store lacks, then analyses all of it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { analyze } from '../../analysis/analyze.js';
import type { Analysis } from '../../analysis/results.js';
import { contentHash } from '../../core/canonical.js';
import { measures } from '../../measures/index.js';
import { openExecutor } from '../../platform/executor.js';
import { openRunFolder } from '../../platform/nodeFolder.js';
import { readRunFolder } from '../../platform/runFolders.js';
import { figureNames, type PlannedRun, planReproduction, type Scale, scales } from '../../sweep/reproduce.js';
import { runMissing, type StudyProgress, type StudyResult } from '../../sweep/runMissing.js';
import { train } from '../../training/loop.js';
import { plannedSteps } from '../../training/members.js';
import { type CommandContext, integer, number } from '../context.js';
import { abortOnSignals, timeText } from '../running.js';

interface Options {
  scale: Scale;
  out?: string;
  minutes?: number;
  executor?: string;
  adapter?: string;
  threads?: number;
  dryRun?: boolean;
  json?: boolean;
}

export function addReproduce(program: Command, io: CommandContext): void {
  program
    .command('reproduce')
    .description(
      "the paper's figures and exponents from nothing: trains what is missing, compares with theory, writes a report",
    )
    .argument('[figure...]', `some of ${figureNames.join(', ')} (default: the usual ones)`)
    .addOption(
      new Option('--scale <name>', 'minutes on two cores, or an hour on a large GPU').choices(scales).default('quick'),
    )
    .option('--out <dir>', 'store of runs and report (default: out/reproduce-<scale>)')
    .option(
      '--minutes <n>',
      'stop after this time with everything saved; the same command continues',
      number(0.05, 1e6),
    )
    .option('--executor <name>', 'what computes: webgpu or wasm (default: webgpu on a real GPU, else wasm)')
    .option('--adapter <name>', 'webgpu on gpu, lavapipe, swiftshader or an adapter name')
    .option('--threads <n>', 'wasm on this many threads (default: one a core, at most 8)', integer(1, 256))
    .option('--dry-run', 'list the runs and stop')
    .action(async (figures: string[], options: Options, command: Command) => {
      const plan = planReproduction(options.scale, figures);
      if (options.dryRun) {
        await io.result(command, await planJson(plan), () => plan.map(planLine).join('\n'));
        return;
      }
      const out = options.out ?? join('out', `reproduce-${options.scale}`);
      const started = performance.now();
      const study = await trainMissing(plan, join(out, 'runs'), options, io);
      const analysis = await analyzeStudy(plan, join(out, 'runs'));
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
      const { summary, findings, notes } = analysis;
      const seconds = (performance.now() - started) / 1000;
      const { trained, skipped, failed, interrupted } = study;
      const state = { trained, skipped, failed: failed.length, interrupted, seconds };
      await io.result(command, { ...state, summary, findings, notes, ...written }, () =>
        [
          ...(interrupted ? ['stopped early: the same command continues'] : []),
          ...summary,
          `report: ${written.report}`,
        ].join('\n'),
      );
      if (failed.length || (interrupted && options.minutes === undefined)) process.exitCode = 1;
    });
}

async function trainMissing(
  plan: readonly PlannedRun[],
  runs: string,
  options: Options,
  io: CommandContext,
): Promise<StudyResult> {
  const { signal, abort, stop } = abortOnSignals(io);
  const timer = options.minutes === undefined ? undefined : setTimeout(abort, options.minutes * 60_000);
  let opened: Awaited<ReturnType<typeof openExecutor>> | undefined;
  try {
    return await runMissing(
      plan,
      { open: async (hash) => openRunFolder(join(runs, hash)) },
      async (experiment, folder, hooks) => {
        if (!opened) {
          // Only now: a finished store is analysed without a device.
          opened = await openExecutor(io.platform, options, io.log);
          io.log(
            `${plan.length} runs on ${opened.executor.description}, into ${runs}; stopped runs continue with the same command`,
          );
        }
        return train(experiment, { executor: opened.executor, folder, resume: true, measures, ...hooks });
      },
      {
        signal,
        onProgress: (progress) => io.progress(progressLine(progress)),
        onRun: options.json ? undefined : io.log,
      },
    );
  } finally {
    clearTimeout(timer);
    stop();
    await opened?.release();
  }
}

/** The analysis of the plan's own runs (the store may hold others); undefined when there is nothing yet. */
async function analyzeStudy(plan: readonly PlannedRun[], runs: string): Promise<Analysis | undefined> {
  const hashes = await Promise.all(plan.map((run) => contentHash(run.experiment)));
  const folders = hashes.map((hash) => join(runs, hash)).filter((path) => existsSync(join(path, 'experiment.json')));
  return folders.length ? analyze(folders.map(readRunFolder)) : undefined;
}

/** `sharing` is seen in two figures. */
const drawnFor = (figures: readonly string[]) =>
  figures.flatMap((name) => (name === 'sharing' ? ['positions', 'ratios'] : [name]));

function progressLine({ run, index, total, progress, secondsLeft }: StudyProgress): string {
  const { step, steps, loss } = progress;
  return `[${index + 1}/${total}] ${run.name}: step ${step}/${steps}, loss ${loss.toFixed(3)}; all runs: at most ${timeText(secondsLeft)} left`;
}

const planLine = ({ name, experiment }: PlannedRun) =>
  `${name}: up to ${plannedSteps(experiment)} steps of ${experiment.budget.batch}`;

const planJson = (plan: readonly PlannedRun[]) =>
  Promise.all(plan.map(async ({ name, experiment }) => ({ name, hash: await contentHash(experiment), experiment })));
