/** Runs that meet conditions, sorted and limited; only the necessary files are read. */
import { type Overview, overviewOf } from '../../analysis/overview.js';
import { readRun } from '../../analysis/runs.js';
import { InputError } from '../../core/errors.js';
import { readRunFolder } from '../../platform/runFolders.js';
import { type ListedRun, listRuns } from '../../platform/runList.js';
import { eachExperiment } from '../../platform/storedExperiments.js';
import type { Value } from '../../sweep/expression.js';
import { type Condition, compareValues, fieldOf, type KnownRun, type Stage, stageOf, stages } from './filter.js';

export interface Selection {
  total: number;
  matched: number; // runs that meet all conditions
  runs: KnownRun[]; // those of them that are listed, in order, with experiment and overview
}

export interface SelectOptions {
  conditions: readonly Condition[];
  sort?: string; // name of a field; default: latest event first
  reverse?: boolean;
  limit: number; // 0: all
}

/** @throws InputError if there are no runs, or for an unknown field. */
export async function selectRuns(root: string, options: SelectOptions): Promise<Selection> {
  const { conditions, sort, reverse, limit } = options;
  const { total, runs } = await matchingRuns(root, conditions, sort === undefined ? 'index' : stageOf(sort));
  const matched = runs.length;
  order(runs, sort ?? 'at', sort === undefined ? !reverse : (reverse ?? false));
  const wanted = limit > 0 ? runs.slice(0, limit) : runs;
  for (const run of wanted) look(run);
  return { total, matched, runs: wanted };
}

/** The runs that meet all conditions, in the order of the store. */
export async function chooseRuns(root: string, conditions: readonly Condition[]): Promise<ListedRun[]> {
  const { runs } = await matchingRuns(root, conditions, 'index');
  return runs.map(({ listed }) => listed);
}

/** The runs also have what the stage `keep` needs. */
async function matchingRuns(
  root: string,
  conditions: readonly Condition[],
  keep: Stage,
): Promise<{ total: number; runs: KnownRun[] }> {
  let runs: KnownRun[] = (await listRuns(root)).map((listed) => ({ listed }));
  const total = runs.length;
  const needed = Math.max(...[keep, ...conditions.map(({ stage }) => stage)].map((stage) => stages.indexOf(stage)));
  for (const stage of stages.slice(0, needed + 1)) {
    const own = conditions.filter((condition) => condition.stage === stage);
    const keepsFields = keep === 'experiment' || needed === stages.indexOf('overview');
    if (stage === 'experiment') runs = await withExperiments(runs, own, keepsFields);
    else {
      if (stage === 'overview') runs = runs.filter(look);
      runs = runs.filter((run) => own.every((condition) => condition.holds(run)));
    }
  }
  return { total, runs };
}

async function withExperiments(
  runs: readonly KnownRun[],
  conditions: readonly Condition[],
  keep: boolean,
): Promise<KnownRun[]> {
  const kept: KnownRun[] = [];
  const places = runs.map((run) => ({ ...run.listed, known: run }));
  await eachExperiment(places, ({ known }, experiment) => {
    const whole = { ...known, experiment };
    if (conditions.every((condition) => condition.holds(whole))) kept.push(keep ? whole : known);
  });
  return kept;
}

/** Reads the folder of a run, once; false if it contains no readable experiment. */
function look(run: KnownRun): boolean {
  if (run.overview) return true;
  try {
    const read = readRun(readRunFolder(run.listed.path));
    run.experiment = read.experiment as unknown as Record<string, unknown>;
    run.overview = { ...overviewOf(read), curve: [] }; // the points of thousands of runs are not needed
    return true;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    run.listed.error ??= error.message;
    return false;
  }
}

function order(runs: KnownRun[], field: string, reverse: boolean): void {
  const keys = new Map<KnownRun, Value>(runs.map((run) => [run, fieldOf(field, run)]));
  runs.sort((a, b) => compareValues(keys.get(a), keys.get(b), reverse));
}

/** The form of a run with --json. */
export function runJson({ listed, experiment, overview }: KnownRun) {
  const { path, at, store: _, ...rest } = listed;
  const { curve: __, ...numbers }: Partial<Overview> = overview ?? {};
  return {
    ...rest,
    folder: path,
    ...(at !== undefined && { at: new Date(at).toISOString() }),
    ...numbers,
    experiment,
  };
}
