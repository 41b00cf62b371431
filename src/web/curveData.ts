/** From runs and theory to the data of the figure of learning curves. */
import { looksFor, type Theme } from '../analysis/figures/theme.js';
import type { Experiment } from '../core/experiment.js';
import { modelFacts } from '../core/modelFacts.js';
import type { RunRecord } from '../core/records.js';
import { plannedSteps } from '../training/members.js';
import type { CurvePoint, CurvesData } from './figures/curves.js';
import type { GrammarTheory } from './pageWorker.js';
import type { LookChoice } from './setting.js';

export interface CurveSource {
  experiment: Experiment;
  records: readonly RunRecord[];
  /** Records of the runs that it continues. */
  earlier?: readonly RunRecord[];
}

/** Name of a network, for people. */
export function modelName(kind: string): string {
  const { title } = modelFacts(kind);
  return title[0].toUpperCase() + title.slice(1);
}

/** looks: for each network, which of its seeds is highlighted. labels: names of the curves, all different. */
export function curvesOf(
  sources: readonly CurveSource[],
  theory: GrammarTheory | undefined,
  theme: Theme,
  looks: readonly LookChoice[] = [],
  labels = labelsOf(sources.map((s) => s.experiment)),
): CurvesData {
  const styles = looksFor(labels, theme);
  const short = numbered(sources.map((s) => modelFacts(s.experiment.model.kind).short));
  const ranges = sources.map(({ experiment }) => {
    const { batch, accumulate } = experiment.budget;
    return [batch * accumulate, batch * accumulate * plannedSteps(experiment)] as const;
  });
  const low = Math.min(...ranges.map((r) => r[0]));
  return {
    curves: sources.map(({ experiment, records, earlier = [] }, i) => ({
      look: styles.get(labels[i])!,
      short: short[i],
      family: modelFacts(experiment.model.kind).family,
      replicas: replicasOf([...earlier, ...records], experiment.replicas),
      seed: experiment.seed,
      chosen: chosenReplica(looks[i], experiment.replicas),
    })),
    H: theory?.H ?? [],
    P: theory?.P,
    samples: [low, Math.max(low * 2, ...ranges.map((r) => r[1]))],
  };
}

/** The replica that a view names, or the nearest one that exists; undefined: none was chosen, or there is only one. */
function chosenReplica(look: LookChoice | undefined, replicas: number): number | undefined {
  const { replica } = look ?? {};
  return replica === undefined || replicas === 1 ? undefined : Math.min(Math.max(0, replica), replicas - 1);
}

/** Unique names: two networks of the same kind are numbered. */
export function labelsOf(experiments: readonly Experiment[]): string[] {
  return numbered(experiments.map((e) => modelName(e.model.kind)));
}

/** Names of runs that say how runs of the same model differ; numbered if the difference has no name. */
export function distinctNames(experiments: readonly Experiment[]): string[] {
  const settings = experiments.map(settingsOf);
  return numbered(
    experiments.map(({ model }, i) => {
      const alike = settings.filter((_, k) => experiments[k].model.kind === model.kind);
      const differ = Object.keys(settings[i]).filter((key) => new Set(alike.map((fields) => fields[key])).size > 1);
      return [modelName(model.kind), ...differ.map((key) => `${key} ${settings[i][key]}`)].join(', ');
    }),
  );
}

function settingsOf({ grammar, model, optimiser, task, budget, seed }: Experiment): Record<string, string> {
  const { kind: _, ...options } = model as Record<string, unknown>;
  const { v, m, s, L } = grammar;
  const fields: Record<string, unknown> = {
    ...{ v, m, s, L, grammar: grammar.seed ?? seed, seed, task: task.kind, ...options },
    ...{ optimiser: optimiser.kind, rate: optimiser.rate, batch: budget.batch * budget.accumulate },
  };
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
  );
}

function numbered(names: readonly string[]): string[] {
  return names.map((name, i) =>
    names.indexOf(name) === names.lastIndexOf(name)
      ? name
      : `${name} ${names.slice(0, i + 1).filter((n) => n === name).length}`,
  );
}

/** Test losses of each replica by samples; if a step was done twice, the later one counts. */
function replicasOf(records: readonly RunRecord[], replicas: number): CurvePoint[][] {
  const found = Array.from({ length: replicas }, () => new Map<number, CurvePoint>());
  for (const record of records)
    if (record.type === 'eval')
      found[record.replica]?.set(record.samples, { samples: record.samples, loss: record.loss });
  return found.map((points) => [...points.values()].sort((a, b) => a.samples - b.samples));
}
