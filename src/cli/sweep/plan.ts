/** `rhm sweep plan`: the number of runs, their groups, their cost. Nothing is written. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { shapeName } from '../../analysis/curves.js';
import { counted } from '../../core/counted.js';
import { hasEnded } from '../../core/records.js';
import { shapeOf } from '../../core/rules.js';
import { languageSize } from '../../grammar/derivations.js';
import { openExecutor } from '../../platform/executor.js';
import { openSweepFolder } from '../../platform/sweepFolder.js';
import { calibrate, groupRuns, type SweepGroup } from '../../sweep/cost.js';
import type { SweepRun } from '../../sweep/grid.js';
import { askedRuns } from '../../sweep/gridRounds.js';
import type { ComputeOptions } from '../compute.js';
import type { CommandContext } from '../context.js';
import { timeText } from '../running.js';
import { combinationsText, type NamedGrid, readGrid, recordsIn, storeOf } from './options.js';

export interface PlanOptions extends ComputeOptions {
  out?: string;
  calibrate: boolean;
  all?: boolean;
  json?: boolean;
}

export async function sweepPlan(
  io: CommandContext,
  file: string,
  options: PlanOptions,
  command: Command,
): Promise<void> {
  const grid = await readGrid(file);
  const out = storeOf(grid, options.out);
  const complete = await completeIn(out);
  const known = await askedRuns(grid, recordsIn(out));
  const missing = known.filter((run) => !complete.has(run.hash));
  const groups = groupRuns(missing);
  let executor: string | undefined;
  if (options.calibrate && groups.length) {
    const opened = await openExecutor(io.platform, options, io.log);
    try {
      executor = opened.executor.description;
      await calibrate(groups, opened.executor);
    } finally {
      await opened.release();
    }
  }
  const sum = (get: (group: SweepGroup) => number) => groups.reduce((total, group) => total + get(group), 0);
  const value = {
    name: grid.title,
    out,
    runs: known.length,
    combinations: grid.combinations,
    filtered: grid.filtered,
    duplicates: grid.duplicates,
    sentences: languageSizes(grid.runs),
    ...(grid.search && { search: { curves: grid.runs.length, most: grid.search.most * grid.runs.length } }),
    complete: known.length - missing.length,
    missing: missing.length,
    flops: sum((g) => g.flops),
    storeBytes: sum((g) => g.storeBytes),
    memoryBytes: groups.reduce((most, g) => Math.max(most, g.memoryBytes), 0),
    executor,
    seconds: executor ? sum((g) => g.seconds ?? 0) : undefined,
    groups: groups.map(({ key: _, runs, ...group }) => ({ ...group, runs: runs.length })),
    ...(options.all && {
      list: known.map(({ hash, name }) => ({ run: hash, name, complete: complete.has(hash) })),
    }),
  };
  await io.result(command, value, () => planText(value, grid));
}

/** Size and number of sentences of each language, in the order of the runs. */
function languageSizes(runs: readonly SweepRun[]): { grammar: string; sentences: string | null }[] {
  const drawn = runs.filter(({ experiment }) => !experiment.data);
  const shapes = new Map(drawn.map(({ experiment: { grammar } }) => [shapeName(shapeOf(grammar)), shapeOf(grammar)]));
  return [...shapes].map(([grammar, shape]) => ({ grammar, sentences: languageSize(shape) }));
}

async function completeIn(out: string): Promise<ReadonlySet<string>> {
  if (!existsSync(join(out, 'store.json'))) return new Set();
  const entries = await openSweepFolder(out, { existing: true }).read();
  return new Set([...entries].filter(([, e]) => hasEnded(e.state)).map(([hash]) => hash));
}

const SHOWN = 20;

function planText(
  plan: {
    out: string;
    runs: number;
    combinations: number;
    filtered: number;
    duplicates: number;
    complete: number;
    missing: number;
    sentences: { grammar: string; sentences: string | null }[];
    search?: { curves: number; most: number };
    flops: number;
    storeBytes: number;
    memoryBytes: number;
    executor?: string;
    seconds?: number;
    groups: (Omit<SweepGroup, 'key' | 'runs'> & { runs: number })[];
    list?: { run: string; name: string; complete: boolean }[];
  },
  grid: NamedGrid,
): string {
  const lines = [
    `${grid.title}: ${counted(plan.runs, 'run')} (${combinationsText(grid) ?? counted(plan.combinations, 'combination')})`,
    `${plan.complete} complete in ${plan.out}, ${plan.missing} to train in ${counted(plan.groups.length, 'group')} of equal shapes:`,
  ];
  if (plan.search)
    lines.push(
      `a search over P: ${counted(plan.search.curves, 'curve')}, ${plan.search.most} runs at most; these are the runs known so far`,
    );
  for (const g of plan.groups.slice(0, SHOWN)) {
    const time =
      g.seconds === undefined
        ? ''
        : `, in ${counted(g.plans ?? 0, 'plan')} ${timeText(g.seconds)}${g.measured ? '' : ' (by its FLOPs)'}`;
    lines.push(
      `  ${String(g.runs).padStart(5)} x ${g.about}: ${g.parameters} parameters, ${quantity(g.flops, 'FLOP')}, ${bytes(g.memoryBytes)} a run on the device${time}`,
    );
  }
  if (plan.groups.length > SHOWN) lines.push(`  ... and ${counted(plan.groups.length - SHOWN, 'more group')}`);
  if (plan.sentences.length)
    lines.push(
      `sentences: ${plan.sentences
        .slice(0, SHOWN)
        .map((x) => `${x.sentences ?? 'more than 10^100000'} (${x.grammar})`)
        .join(', ')}`,
    );
  lines.push(`in all ${quantity(plan.flops, 'FLOP')}, ${bytes(plan.storeBytes)} in the store`);
  if (plan.seconds !== undefined)
    lines.push(
      stopsEarly(grid)
        ? `at most ${timeText(plan.seconds)} for all plans one after the other on ${plan.executor}; runs stop early, usually after a small part`
        : `about ${timeText(plan.seconds)} for all plans one after the other on ${plan.executor}`,
    );
  for (const { run, name, complete } of plan.list ?? []) lines.push(`  ${run}  ${name}${complete ? '  complete' : ''}`);
  return lines.join('\n');
}

/** Whether runs may end before their last step. */
const stopsEarly = ({ runs }: NamedGrid): boolean =>
  runs.some(({ experiment: { budget } }) => budget.patience !== undefined || budget.stopLoss !== undefined);

/** `3.2 TFLOP`. */
function quantity(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'];
  const power = value > 0 ? Math.min(prefixes.length - 1, Math.floor(Math.log10(value) / 3)) : 0;
  return `${(value / 1000 ** power).toPrecision(3)} ${prefixes[power]}${unit}`;
}

const bytes = (value: number): string =>
  value < 2 ** 20
    ? `${Math.ceil(value / 1024)} KiB`
    : value < 2 ** 30
      ? `${(value / 2 ** 20).toFixed(1)} MiB`
      : `${(value / 2 ** 30).toFixed(1)} GiB`;
