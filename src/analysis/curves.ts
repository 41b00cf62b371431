import { canonicalJson } from '../core/canonical.js';
import type { Experiment } from '../core/experiment.js';
import type { ModelKind } from '../core/experimentTypes.js';
import { modelFacts, modelOrder } from '../core/modelFacts.js';
import type { MeasureRecord } from '../core/records.js';
import { type GrammarShape, type Rules, shapeOf } from '../core/rules.js';
import { DEFAULT_TASK, evaluatedTask, tasks } from '../core/tasks.js';
import { countDerivations } from '../grammar/derivations.js';
import { floorsOf } from '../theory/floors.js';
import { lossPlateaus, maskedPlateaus } from '../theory/index.js';
import { dataPointOf } from '../training/dataPoint.js';
import type { Run, RunStatus } from './runs.js';

export type { ModelKind };

/**
 * Curves in data that belong to one figure only: context windows (arXiv:2406.00048), root symbols (arXiv:2307.02129), power-law rules
 * (arXiv:2505.07067), positions in an unknown order (arXiv:2308.13816), every hidden symbol as a label (arXiv:2309.13556).
 */
export type StudyName = 'context' | 'classes' | 'powerLaw' | 'wiring' | 'parse' | 'holdout';

/** The end of the name of a series of curves in data. */
const IN_DATA = ' in data';

/** Test loss of one trained network against P: the training sentences seen (one pass), or those in the training set (in data). */
export interface Curve {
  series: string; // runs with the same label differ only in grammar, seed and length
  anyBatch: string; // the label without the batch size: equal for series that differ only in it
  batch: number; // sentences per step
  kind: ModelKind;
  task: Experiment['task']['kind'];
  shape: GrammarShape;
  grammar: string; // equal for equal rules
  rules: Rules;
  replica: string; // folder and replica
  /** The figure of a neighbouring paper to which it belongs; absent: a figure of the main paper. */
  study?: StudyName;
  context?: number; // tokens used, including the predicted one; absent: all
  scaling?: string; // of the readout, for models that have a choice
  testSize?: number; // test sentences
  wiring?: string; // `true` or `learned` if positions are shuffled; absent: along the positions as they are
  online: boolean; // one pass over fresh sentences; false: best loss against P distinct sentences
  points: CurvePoint[]; // by P
  /** H(0) .. H(reach) in nats; undefined if the staircase of the last token does not apply. */
  plateaus: number[] | undefined;
  /** The same of masked tokens: see `maskedPlateaus`. */
  masked?: number[];
  noise: number; // nats, about one standard error of the test loss
  sentences: number; // of the whole language
  measures: MeasureRecord[];
  status: RunStatus;
}

export interface CurvePoint {
  samples: number; // P
  loss: number; // nats
  accuracy: number;
  /** Curves in data: loss minus that of the exact predictor on the same test sentences, nats; loss - H(L) if that is not known. */
  excess?: number;
  /** The best loss occurred in the last part of the allowed steps: with more steps it may be lower. */
  limited?: boolean;
  /** The excess at which the run was set to stop; lower values are not known. */
  stop?: number;
}

const PAIRED_NOISE = 0.3; // the part of the noise of a test loss that remains after subtraction of the exact predictor's loss

/**
 * About one standard error of a loss on `size` test sentences, nats; paired: of its difference to the exact predictor's loss on the same
 * sentences.
 */
export const lossNoise = (size: number, paired: boolean): number =>
  (0.5 / Math.sqrt(size)) * (paired ? PAIRED_NOISE : 1);

/** The curves in the order of every table. */
export const orderedCurves = (runs: readonly Run[]): Curve[] => curvesOf(runs).sort(inOrder);

/** By model, then by grammar size: the order of every table. Runs of one kind keep their order. */
function inOrder(a: Curve, b: Curve): number {
  return (
    modelOrder(a.kind) - modelOrder(b.kind) ||
    a.series.localeCompare(b.series) ||
    a.shape.v - b.shape.v ||
    a.shape.m - b.shape.m ||
    a.shape.L - b.shape.L
  );
}

/** The curve of every replica. Runs on finite training sets of several sizes make one curve: the best test loss at each size. */
function curvesOf(runs: readonly Run[]): Curve[] {
  const labels = seriesLabels(runs);
  const curves: Curve[] = [];
  const finite = new Map<string, Curve>();
  for (const run of runs) {
    const { experiment } = run;
    for (const replica of run.replicas) {
      const points = replica.evals
        .filter((e) => e.samples > 0)
        .map(({ samples, loss, accuracy }) => ({ samples, loss, accuracy }));
      if (!points.length) continue;
      const online = experiment.budget.sentences === undefined;
      const curve: Curve = {
        ...labels.get(run)!,
        batch: experiment.budget.batch * experiment.budget.accumulate,
        kind: experiment.model.kind,
        task: experiment.task.kind,
        shape: shapeOf(run.rules),
        grammar: grammarKey(run.rules),
        rules: run.rules,
        replica: `${run.path} #${replica.replica}`,
        study: studyOf(experiment, run.rules),
        context: experiment.task.context,
        scaling: 'scaling' in experiment.model ? experiment.model.scaling : undefined,
        testSize: experiment.evaluation.size,
        wiring: 'wiring' in experiment.model ? experiment.model.wiring : undefined,
        online,
        points,
        ...(tasks[experiment.task.kind].masks
          ? { plateaus: undefined, masked: exactFloors(experiment, run.rules) }
          : { plateaus: exactFloors(experiment, run.rules) }),
        noise: lossNoise(experiment.evaluation.size, false),
        sentences: Number(countDerivations(run.rules)),
        measures: replica.measures,
        status: replica.status,
      };
      if (online) {
        curves.push(curve);
        continue;
      }
      const point = dataPointOf(experiment, [...replica.evals, ...replica.tests, ...replica.ends], replica.replica);
      if (!point) continue;
      const floor = (curve.plateaus ?? curve.masked)?.at(-1);
      const {
        sentences: samples,
        loss,
        accuracy,
        excess = floor === undefined ? undefined : loss - floor,
        limited,
      } = point;
      const { stopLoss } = experiment.budget;
      const stop = stopLoss === undefined || floor === undefined ? undefined : stopLoss - floor;
      const noise = lossNoise(experiment.evaluation.size, point.excess !== undefined);
      const key = [curve.series, curve.grammar, replica.replica].join();
      const known = finite.get(key) ?? { ...curve, noise, points: [] };
      finite.set(key, known);
      known.points.push({ samples, loss, accuracy, excess, limited, stop });
    }
  }
  for (const curve of finite.values()) curve.points.sort((a, b) => a.samples - b.samples);
  return [...curves, ...finite.values()];
}

const CLOSE = 1e-6;

/** a of p_k ~ k^-(1+a) if the rules of the last level have such probabilities; else undefined. */
export function zipfOf({ ruleProbabilities, L }: Rules): number | undefined {
  const p = ruleProbabilities?.[L - 1];
  if (!p || p.length < 2 || !(p[1] > 0)) return undefined;
  const power = Math.log2(p[0] / p[1]);
  const isPower = p.every((x, k) => Math.abs(x - p[0] * (k + 1) ** -power) < CLOSE);
  return isPower ? Number((power - 1).toPrecision(9)) : undefined;
}

/** The curves of each study. */
export const studyCurves = (curves: readonly Curve[]): Record<StudyName, Curve[]> => ({
  context: curves.filter((c) => c.study === 'context'),
  classes: curves.filter((c) => c.study === 'classes'),
  powerLaw: curves.filter((c) => c.study === 'powerLaw'),
  wiring: curves.filter((c) => c.study === 'wiring'),
  parse: curves.filter((c) => c.study === 'parse'),
  holdout: curves.filter((c) => c.study === 'holdout'),
});

function studyOf({ budget, evaluation, grammar, task }: Experiment, rules: Rules): StudyName | undefined {
  if (grammar.holdout !== undefined) return 'holdout';
  if (budget.sentences === undefined) return undefined;
  if (grammar.shuffle !== undefined) return 'wiring';
  if (task.kind === 'parse') return 'parse';
  if (evaluation.positions === 'last') return 'context';
  // Rules of probability 0 leave fewer rules than the m that the laws count.
  const leavesOut = rules.ruleProbabilities?.some((p) => p?.includes(0));
  if (leavesOut || zipfOf(rules) !== undefined) return 'powerLaw';
  return task.kind === 'class' ? 'classes' : undefined;
}

/** f, the fraction of s-tuples in use. */
export const density = ({ v, m, s }: GrammarShape) => m / v ** (s - 1);

/** The laws apply for f < 1 and m > 1. */
export const hasLaw = (shape: GrammarShape) => density(shape) < 1 && shape.m > 1;

export const shapeName = ({ v, n, m, s, L }: GrammarShape) => `v=${v}${n === v ? '' : ` n=${n}`} m=${m} s=${s} L=${L}`;

type SeriesLabel = Pick<Curve, 'series' | 'anyBatch'>;
const BATCH = 'budget.batch';

/** The name of a run, or of a group of runs, in tables: `hcnn`, with settings only if they differ. */
function seriesLabels(runs: readonly Run[]): Map<Run, SeriesLabel> {
  const labels = new Map<Run, SeriesLabel>();
  const byKind = new Map<string, { name: string; group: Run[] }>(); // runs of each study apart, so that they do not change other names
  for (const run of runs) {
    const { task, budget, model } = run.experiment;
    const name = [model.kind, task.kind === DEFAULT_TASK ? '' : task.kind];
    const label = `${name.filter(Boolean).join(', ')}${budget.sentences === undefined ? '' : IN_DATA}`;
    const key = `${label}|${studyOf(run.experiment, run.rules)}`;
    const known = byKind.get(key) ?? { name: label, group: [] };
    byKind.set(key, { name: label, group: [...known.group, run] });
  }
  for (const { name, group } of byKind.values()) {
    const setups = new Map<string, Run[]>();
    for (const run of group) {
      const key = canonicalJson(setupOf(run.experiment));
      setups.set(key, [...(setups.get(key) ?? []), run]);
    }
    // Settings chosen per grammar size (a wider net for a larger vocabulary) are one series; two settings at one size are two.
    const sizes = [...setups.values()].map((s) => new Set(s.map((r) => shapeName(r.rules))));
    const apart = new Set(sizes.flatMap((s) => [...s])).size < sizes.reduce((sum, s) => sum + s.size, 0);
    const varying = apart ? varyingFields([...setups.values()].map(([run]) => setupOf(run.experiment))) : [];
    for (const setup of setups.values()) {
      const fields = setupOf(setup[0].experiment);
      const label = (keys: readonly string[]) =>
        [name, ...keys.map((key) => `${key.split('.').at(-1)}=${JSON.stringify(fields[key] ?? 'default')}`)].join(' ');
      const anyBatch = label(varying.filter((key) => key !== BATCH));
      for (const run of setup) labels.set(run, { series: label(varying), anyBatch });
    }
  }
  return labels;
}

/** Everything except grammar, seeds, length and measures, flat. */
function setupOf(experiment: Experiment): Record<string, unknown> {
  const { grammar, task, model, optimiser, schedule, budget } = experiment;
  const flat: Record<string, unknown> = {};
  if (grammar.shuffle !== undefined) flat['grammar.shuffle'] = grammar.shuffle;
  for (const [key, value] of Object.entries(grammar.holdout ?? {})) flat[`grammar.holdout.${key}`] = value;
  for (const [name, part] of Object.entries({ task, model, optimiser, schedule }))
    for (const [key, value] of Object.entries(part)) flat[`${name}.${key}`] = value;
  flat[BATCH] = budget.batch * budget.accumulate;
  return flat;
}

function varyingFields(setups: Record<string, unknown>[]): string[] {
  const keys = [...new Set(setups.flatMap((s) => Object.keys(s)))];
  return keys.filter((key) => new Set(setups.map((s) => JSON.stringify(s[key]))).size > 1);
}

const known = new Map<string, number[]>();
const knownMasked = new Map<string, number[]>();

/** The plateaus of an experiment's loss, nats; each computed once. undefined: its task has none, or pairs of rules are held out. */
export function exactFloors(
  experiment: Pick<Experiment, 'task' | 'model'> & {
    grammar?: Pick<Experiment['grammar'], 'holdout'>;
    evaluation: Pick<Experiment['evaluation'], 'positions'>;
  },
  rules: Rules,
): number[] | undefined {
  if (experiment.grammar?.holdout) return undefined;
  const { causal } = modelFacts(experiment.model.kind);
  return floorsOf(evaluatedTask(experiment), rules, { causal }, exactPlateaus, (of, law) => {
    const key = canonicalJson([grammarKey(of), law.least, law.most, law.places, causal ?? false]);
    if (!knownMasked.has(key)) knownMasked.set(key, maskedPlateaus(of, law, { causal }).H);
    return knownMasked.get(key)!;
  });
}

/** H(0) .. H(L) of a grammar, computed once. */
export function exactPlateaus(rules: Rules): number[] {
  const key = grammarKey(rules);
  if (!known.has(key)) known.set(key, lossPlateaus(rules, { stateLimit: 300_000 }).H);
  return known.get(key)!;
}

/** Equal for equal grammars. */
export function grammarKey(rules: Rules): string {
  return canonicalJson([shapeOf(rules), rules.rules, rules.rootPrior ?? 0, rules.ruleProbabilities ?? 0]);
}
