/** `rhm reproduce`: the paper's figures from scratch. Trains the runs that the store lacks, then analyses all of them. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { analyze } from '../../analysis/analyze.js';
import { showNumber } from '../../analysis/format.js';
import type { Analysis } from '../../analysis/results.js';
import { groupBy } from '../../analysis/staircase.js';
import { paperScale, storedText } from '../../analysis/stored.js';
import { withStored } from '../../analysis/summary.js';
import { contentHash } from '../../core/canonical.js';
import { InputError } from '../../core/errors.js';
import { writeAtomically } from '../../platform/atomicFile.js';
import { readRunFolder } from '../../platform/runFolders.js';
import type { SweepRun } from '../../sweep/grid.js';
import { type PlannedSearch, type SearchedFigure, searchedFigures } from '../../sweep/plannedSearch.js';
import {
  defaultFigures,
  figureNames,
  type PlannedRun,
  planReproduction,
  type Scale,
  scales,
} from '../../sweep/reproduce.js';
import { type Found, runSearches, runsOnCurves } from '../../sweep/search.js';
import { planSearches } from '../../sweep/studies.js';
import { plannedSteps } from '../../training/members.js';
import { addComputeOptions } from '../compute.js';
import { type CommandContext, integer, number } from '../context.js';
import { Study, type StudyOptions } from '../reproduceStudy.js';
import { addGpusOption } from '../sweep/gpus.js';

interface Options extends StudyOptions {
  scale: Scale;
  out?: string;
  store?: string[];
  runs?: string;
  keep?: string;
  dryRun?: boolean;
}

export function addReproduce(program: Command, io: CommandContext): void {
  addGpusOption(
    addComputeOptions(
      program
        .command('reproduce')
        .description(
          "reproduce the paper's figures and exponents: train the missing runs, compare them with theory, write a report",
        )
        .argument('[figure...]', `figures, of ${figureNames.join(', ')} (default: those of the paper)`)
        .addOption(
          new Option('--scale <name>', 'quick: minutes on two cores; paper: an hour on a large GPU')
            .choices(scales)
            .default('quick'),
        )
        .option('--out <dir>', 'store of runs and report (default: out/reproduce-<scale>)')
        .option(
          '--minutes <n>',
          'stop after this many minutes with everything saved; the same command continues',
          number(0.05, 1e6),
        )
        .option(
          '--store <dir...>',
          'further stores, for example from other machines; their runs are analysed too and not trained again',
        ),
      'train one run at a time, with this many threads for wasm (default: one run per core)',
    ),
  )
    .option('--runs <text>', 'train only runs whose name contains this text, such as "mla v=16"; the report shows all')
    .option('--pack <n>', 'largest number of replicas in one plan (default: chosen by speed)', integer(1, 4096))
    .option('--keep <file>', 'write the main results as JSON, in the form that smaller scales show for comparison')
    .option('--dry-run', 'list the runs without training them')
    .action(async (figures: string[], options: Options, command: Command) => {
      const { scale, runs: wanted } = options;
      const named = ({ name }: { name: string }) => wanted === undefined || holdsAll(name, wanted);
      const searches = planSearches(scale, withBaseline(figures.length ? figures : defaultFigures[scale]));
      const plan = await hashed(planReproduction(scale, figures));
      if (wanted !== undefined && ![...searches, ...plan].some(named))
        throw new InputError(
          `--runs ${JSON.stringify(wanted)}: no run's name holds all of these words; --dry-run lists the names`,
        );
      const others = (options.store ?? []).map(storeAt);
      if (options.dryRun) {
        const list = { runs: plan.filter(named), searches: searches.filter(named) };
        await io.result(command, planJson(list), () =>
          [...list.searches.map(searchLine), ...list.runs.map(planLine)].join('\n'),
        );
        return;
      }
      const out = options.out ?? join('out', `reproduce-${scale}`);
      const started = performance.now();
      const study = new Study(out, others, options, io);
      let searched: Searched = {};
      try {
        searched = await searchAll(searches, named, study, io);
        await study.train(plan.filter(named), scale === 'paper' ? { estimate: true, checkpointMs: 120_000 } : {});
      } finally {
        await study.close();
      }
      const read = (runs: readonly SweepRun[]) =>
        runs
          .map((run) => study.folderOf(run))
          .filter((path) => path !== undefined)
          .map(readRunFolder);
      const { control = [], ...curves } = searched;
      const folders = read([...Object.values(curves).flat(), ...plan]);
      const measured = folders.length ? await analyze(folders, { control: read(control) }) : undefined;
      if (!measured) {
        io.log('no run reached its first evaluation; run the same command again to continue');
        process.exitCode = 1;
        return;
      }
      if (options.keep) await keepResults(measured, options.keep, command);
      const analysis = scale === 'paper' ? measured : withStored(measured, paperScale());
      const { writeReport } = await import('../../platform/report.js');
      const title = `How hierarchical language is learnt (${scale} scale)`;
      const only = figures.length ? drawnFor(figures) : undefined;
      const written = await writeReport(analysis, join(out, 'report'), { title, reproduces: true, only });
      if (written.pngProblem) io.log(`no PNG files, SVG only: ${written.pngProblem}`);
      const { summary, findings, notes } = analysis;
      const seconds = (performance.now() - started) / 1000;
      const { trained, present, failed, interrupted } = study.result;
      const state = { trained, skipped: present, failed: failed.length, interrupted, seconds };
      await io.result(command, { ...state, summary, findings, notes, ...written }, () =>
        [
          ...failed.map(({ run, error }) => `${run.name}: ${error}`),
          ...(interrupted ? ['stopped early: the same command continues'] : []),
          ...summary,
          `report: ${written.report}`,
        ].join('\n'),
      );
      if (failed.length) process.exitCode = 1;
      if (interrupted) process.exitCode = study.stoppedBy ?? process.exitCode;
    });
}

/** The card, the day and the command. */
async function keepResults(analysis: Analysis, file: string, command: Command): Promise<void> {
  const adapters = [...new Set(analysis.runs.map((run) => run.adapter).filter(Boolean))].join(', ');
  const made = `${adapters}, ${new Date().toISOString().slice(0, 10)}`;
  const { scale } = command.opts<Options>();
  const words = ['rhm reproduce', ...command.args, '--scale', scale];
  await writeAtomically(file, storedText(analysis, made, words.join(' ')));
}

type Searched = Partial<Record<SearchedFigure, SweepRun[]>>;

/** Searches all curves in data; trains only for the requested ones. @returns the runs that exist now */
async function searchAll(
  searches: readonly PlannedSearch[],
  wanted: (search: PlannedSearch) => boolean,
  study: Study,
  io: CommandContext,
): Promise<Searched> {
  const runs: Searched = {};
  const figures = searchedFigures.filter((figure) => searches.some((search) => search.figure === figure));
  for (const figure of figures) {
    const found: SweepRun[] = [];
    runs[figure] = found;
    for (const training of [true, false]) {
      const part = searches.filter((s) => s.figure === figure && wanted(s) === training);
      if (part.length)
        await runSearches(part, {
          train: async (asked) => {
            found.push(...asked);
            return training ? await study.train(asked) : true; // others go as far as the stores have their runs
          },
          records: (run) => study.records(run),
          onRound: (curves, round) => training && io.log(roundText(curves, part, round)),
        });
    }
  }
  const stored = study.stored();
  for (const figure of figures) {
    const on = await runsOnCurves(
      searches.filter((s) => s.figure === figure),
      stored,
    );
    const known = new Set(runs[figure]!.map(({ hash }) => hash));
    runs[figure]!.push(...on.filter(({ hash }) => !known.has(hash)));
  }
  return runs;
}

/** The control is compared with the curves in data. */
const withBaseline = (figures: readonly string[]): readonly string[] =>
  figures.includes('control') && !figures.includes('data') ? [...figures, 'data'] : figures;

/** `round 2: hcnn P_2 = 230, 1.1k, 4.6k distinct sentences for m = 2, 3, 4; ...`: the result for all grammars of a size. */
function roundText(found: readonly Found[], searches: readonly PlannedSearch[], round: number): string {
  const cells = searches.flatMap((search) => {
    const { crossings } = found.find((f) => f.search === search)!;
    return [...crossings].map(([ell, { bound, value }]) => ({ ...search, ell, bound, value }));
  });
  const parts = groupBy(cells, (c) => `${c.model} P_${c.ell}`).flatMap((group) => {
    const sizes = groupBy(group, (c) => String(c.m))
      .filter((own) => own.every((c) => c.bound === 'none'))
      .map((own) => ({ m: own[0].m, P: Math.exp(own.reduce((sum, c) => sum + c.value, 0) / own.length) }))
      .sort((a, b) => a.m - b.m);
    const { model, ell } = group[0];
    const values = sizes.map(({ P }) => showNumber(Number(P.toPrecision(2)))).join(', ');
    return sizes.length ? [`${model} P_${ell} = ${values} (m = ${sizes.map(({ m }) => m).join(', ')})`] : [];
  });
  return `round ${round}, distinct sentences: ${parts.join('; ') || 'nothing known on all grammars of a size yet'}`;
}

/** Whether the name contains every word of `text`. */
const holdsAll = (name: string, text: string): boolean =>
  text
    .split(/[\s,]+/)
    .filter(Boolean)
    .every((word) => name.split(/[\s,]+/).includes(word));

/** Some names mean two figures. */
const drawnFor = (figures: readonly string[]) =>
  figures.flatMap((name) =>
    name === 'sharing' ? ['positions', 'ratios'] : name === 'invariance' ? [name, 'transitions'] : [name],
  );

const hashed = (plan: readonly PlannedRun[]): Promise<SweepRun[]> =>
  Promise.all(plan.map(async (run) => ({ ...run, hash: await contentHash(run.experiment) })));

/** A store given with `--store`: the runs themselves, or the folder of an earlier `rhm reproduce`. @throws InputError */
function storeAt(path: string): string {
  const runs = join(path, 'runs');
  if (existsSync(runs)) return runs;
  if (!existsSync(path))
    throw new InputError(`--store ${path}: no such folder; pass the --out folder of another rhm reproduce`);
  return path;
}

const planLine = ({ name, experiment }: SweepRun) =>
  `${name}: up to ${plannedSteps(experiment)} steps of ${experiment.budget.batch}`;

const searchLine = ({ name, steps, from, to, most }: PlannedSearch) =>
  `${name}: P from ${from} to ${Math.round(to)} for steps ${steps.join(', ')}, at most ${most} runs`;

/** One list: the curves that are searched, each with its run at the smallest P, and the known runs. */
const planJson = ({ runs, searches }: { runs: readonly SweepRun[]; searches: readonly PlannedSearch[] }) => [
  ...searches.map(({ name, steps, from, to, most, at }) => ({
    name,
    search: { steps, from, to: Math.floor(to), most },
    experiment: at(from),
  })),
  ...runs.map(({ name, hash, experiment }) => ({ name, hash, experiment })),
];
