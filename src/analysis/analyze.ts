import { canonicalJson } from '../core/canonical.js';
import { counted } from '../core/counted.js';
import { InputError } from '../core/errors.js';
import { modelFacts } from '../core/modelFacts.js';
import { shapeOf } from '../core/rules.js';
import { sampleComplexity } from '../theory/index.js';
import { checkRun } from '../training/integrity.js';
import { type SampleSentences, sampleSentences } from './correlations.js';
import { type Curve, hasLaw, orderedCurves, shapeName, studyCurves } from './curves.js';
import { type ClusterGrammar, dataPowers, dataTable, learnerTable } from './data.js';
import { positionExponents } from './exponents.js';
import type { Inputs } from './figures/spec.js';
import { judged } from './findings.js';
import { showNumber } from './format.js';
import { invarianceCurves } from './invariance.js';
import { meanCurves } from './means.js';
import type { Analysis, Base, Finding, Results, RunRow } from './results.js';
import { type Run, type RunFiles, type RunStatus, readRun } from './runs.js';
import { groupBy, isVisible, LARGE_PART, LITTLE_NOISE, positionTable } from './staircase.js';
import { summaryOf } from './summary.js';
import { sharedTables } from './tables.js';

export interface AnalyzeOptions {
  /** Source of sentences for the empirical correlations; null omits them. Default: the WebAssembly sampler. */
  sample?: SampleSentences | null;
  /**
   * The learner that uses correlations alone, for comparison with curves in data; null omits it. Default: `clusterCurves` on each
   * grammar.
   */
  cluster?: ClusterGrammar | null;
  /** Curves in data of networks with a different rate, batch or width, on the same grammars as those of the folders. */
  control?: readonly RunFiles[];
}

/**
 * Analyses run folders: all results that bear on the paper's claims. Folders that cannot be read are left out and named in `notes`.
 * @throws InputError if none can be read.
 */
export async function analyze(folders: readonly RunFiles[], options: AnalyzeOptions = {}): Promise<Analysis> {
  const notes: string[] = [];
  const runs = distinctRuns(await readAll(folders, notes), notes);
  const all = orderedCurves(runs);
  const curves = all.filter((c) => !c.study);
  const kinds = new Map(all.map((c) => [c.series, c.kind]));
  for (const run of runs) notes.push(...runNotes(run));
  notes.push(...curveNotes(curves));
  const positions = positionTable(curves).map((row) => {
    const family = modelFacts(kinds.get(row.series)!).family;
    return {
      ...row,
      predicted: family && hasLaw(row.shape) ? sampleComplexity(row.shape, family, row.ell) : undefined,
    };
  });
  const learner = options.cluster === null ? [] : await learnerTable(curves, options.cluster);
  const exponents = positionExponents(positions, kinds);
  const base: Base = {
    runs: runs.map((run) => runRow(run, all)),
    kinds,
    curves,
    studies: studyCurves(all),
    means: meanCurves(curves),
    positions,
    exponents,
    data: dataTable(positions, kinds, learner),
    dataPowers: dataPowers(exponents, kinds, learner),
    learner,
    invarianceCurves: invarianceCurves(curves),
    notes,
  };
  const inputs: Inputs = {
    runs,
    control: options.control?.length ? await readAll(options.control, notes) : [],
    sample: options.sample === undefined ? sampleSentences : (options.sample ?? undefined),
  };
  const { figures } = await import('./figures/index.js'); // with the plotting library, which is larger than the rest
  const own = await Promise.all(figures.map((figure) => figure.results?.(base, inputs)));
  const results = Object.assign({}, base, ...own) as Results;
  const findings = figures.flatMap(({ sections = [] }) =>
    sections.flatMap(({ name, findings }) =>
      findings(results).map((row): Finding => ({ section: name, ...judged(row) })),
    ),
  );
  const neighbours = figures.flatMap((figure) => figure.summary?.(results) ?? []);
  const summary = [...neighbours, ...(curves.length ? summaryOf(results, findings) : [])].slice(0, SENTENCES);
  const tables = [...sharedTables(base, findings), ...figures.flatMap((figure) => figure.tables?.(results) ?? [])];
  return { ...results, findings, tables: tables.filter((t) => t.rows.length), summary };
}

const SENTENCES = 5; // of a summary

/** Notes on folders that could not be read, or that contain damaged files, begin with this. */
export const LEFT_OUT = 'left out: ';

async function readAll(folders: readonly RunFiles[], notes: string[]): Promise<Run[]> {
  if (!folders.length)
    throw new InputError(
      'no run folder was given; a run folder holds experiment.json and records.jsonl, as rhm train writes them',
    );
  const runs: Run[] = [];
  let unchecked = 0;
  for (const files of folders) {
    const checkup = await checkRun({ ...files, name: files.path });
    if (checkup.unchecked.length) unchecked++;
    if (checkup.faults.length) {
      notes.push(`${LEFT_OUT}${checkup.faults.join('; ')}`);
      continue;
    }
    try {
      const run = readRun(files);
      const { from } = run.experiment;
      if (from)
        notes.push(
          `${run.path}: left out, since it continues ${from.run} from step ${from.step}; rhm compare draws it`,
        );
      else runs.push(run);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      notes.push(`${LEFT_OUT}${error.message}`);
    }
  }
  if (unchecked)
    notes.push(`records of ${counted(unchecked, 'run')} unchecked: written by a version without check sums`);
  if (!runs.length) throw new InputError(`no run folder could be read: ${notes.join('; ')}`);
  return runs;
}

/** One run per experiment: of several copies, the one with the most steps. */
function distinctRuns(runs: readonly Run[], notes: string[]): Run[] {
  return groupBy(runs, (run) => canonicalJson(run.experiment)).map((copies) => {
    const reach = (run: Run) => Math.max(0, ...run.replicas.map((r) => r.evals.at(-1)?.step ?? 0));
    const best = copies.reduce((a, b) => (reach(b) > reach(a) ? b : a));
    if (copies.length > 1)
      notes.push(`${copies.length} folders hold the same experiment; ${best.path} got furthest and was used`);
    return best;
  });
}

function runNotes(run: Run): string[] {
  const notes = run.problems.map((p) => `${run.path}: ${p}`);
  const of = (status: RunStatus) => run.replicas.filter((r) => r.status === status).length;
  if (run.status === 'empty') notes.push(`${run.path}: no evaluation yet, left out`);
  if (of('diverged'))
    notes.push(
      `${run.path}: ${of('diverged')} of ${run.replicas.length} replicas diverged; steps they had not reached are left out`,
    );
  if (of('failed')) notes.push(`${run.path}: ended by a failure; used up to that point`);
  if (of('unfinished') || of('interrupted'))
    notes.push(`${run.path}: no end record (still running, or stopped); used up to its last evaluation`);
  return notes;
}

function curveNotes(curves: readonly Curve[]): string[] {
  const notes: string[] = [];
  if (curves.some((c) => !c.plateaus && !c.masked))
    notes.push('the plateaus H(ell) are those of the last token: runs of other tasks appear only as learning curves');
  for (const group of groupBy(curves, (c) => `${c.series}|${shapeName(c.shape)}`)) {
    const name = `${group[0].series}, ${shapeName(group[0].shape)}`;
    const grammars = new Set(group.map((c) => c.grammar)).size;
    if (group.length === 1) notes.push(`${name}: a single curve, so there is no interval`);
    else if (grammars === 1) notes.push(`${name}: one grammar; intervals cover replicas, not grammars`);
    const hidden = new Set<number>();
    for (const c of group)
      for (let ell = 1; ell < (c.plateaus?.length ?? 1); ell++) if (!isVisible(c, ell)) hidden.add(ell);
    if (hidden.size)
      notes.push(
        `${name}: step ${[...hidden].join(', ')} is too small for the test set in some grammars and was not measured there; raise evaluation.size`,
      );
    const seen = group[0].online ? Math.max(...group.map((c) => c.points.at(-1)?.samples ?? 0)) : 0;
    if (seen > LARGE_PART * group[0].sentences)
      notes.push(
        `${name}: one pass drew up to ${showNumber(seen)} sentences from a language of ${showNumber(group[0].sentences)}; ${LITTLE_NOISE}`,
      );
    if (!hasLaw(group[0].shape))
      notes.push(`${name}: f = 1 or m = 1, where theory predicts no correlations to learn from`);
  }
  for (const [first, ...rest] of groupBy(
    groupBy(curves, (c) => c.series),
    ([c]) => c.kind,
  )) {
    const names = [first, ...rest].map(([c]) => c.series);
    if (rest.length)
      notes.push(`mixed settings: ${names.length} ${first[0].kind} series are kept apart (${names.join('; ')})`);
  }
  return notes;
}

function runRow(run: Run, curves: readonly Curve[]): RunRow {
  const own = curves.find((c) => c.replica.startsWith(`${run.path} #`));
  const last = run.replicas.flatMap((r) => r.evals.at(-1) ?? []);
  return {
    path: run.path,
    hash: run.start?.hash ?? '',
    series: own?.series ?? run.experiment.model.kind,
    shape: shapeOf(run.rules),
    status: run.status,
    replicas: run.experiment.replicas,
    samples: Math.max(0, ...last.map((e) => e.samples)),
    loss: last.reduce((sum, e) => sum + e.loss, 0) / last.length,
    floor: (own?.plateaus ?? own?.masked)?.at(-1),
    adapter: run.start?.adapter ?? '',
    executor: run.start?.executor ?? '',
    elapsedMs: run.elapsedMs,
    experiment: run.experiment,
  };
}
