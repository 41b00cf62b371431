/** `rhm sweep predict`: P_ell and the best loss of runs that are not trained yet, from the runs of a store. */
import type { Command } from 'commander';
import { exactFloors, grammarKey, lossNoise } from '../../analysis/curves.js';
import { round, showNumber } from '../../analysis/format.js';
import {
  type Asked,
  type Interval,
  Predictor,
  ReachedCache,
  type StepFit,
} from '../../analysis/prediction/predictor.js';
import { familyOf, type StoredCurve, storedCurves } from '../../analysis/prediction/storedCurves.js';
import { type Candidate, type Result, type Suggestion, suggest } from '../../analysis/prediction/suggest.js';
import { crossValidate, type Validity } from '../../analysis/prediction/validation.js';
import { type Run, readRun } from '../../analysis/runs.js';
import { counted } from '../../core/counted.js';
import { InputError } from '../../core/errors.js';
import type { Experiment } from '../../core/experiment.js';
import { modelFacts } from '../../core/modelFacts.js';
import { readRunFolders } from '../../platform/runFolders.js';
import { searchesOf } from '../../sweep/gridSearch.js';
import { isRefusal, type Refusal } from '../../theory/prediction/factorRegression.js';
import { settingOf } from '../../theory/prediction/setting.js';
import { plannedSteps, rulesOf } from '../../training/members.js';
import type { CommandContext } from '../context.js';
import { textTable } from '../runs/table.js';
import { type NamedGrid, readGrid, storeOf } from './options.js';
import type { PredictOptions } from './predictOptions.js';

interface AskedRun extends Asked {
  name: string;
  hash: string;
  experiment: Experiment;
  family: string;
  sentences: number | undefined; // P, if the loss is requested; undefined: a curve that is searched
  steps: readonly number[]; // ell
}

interface Predicted {
  run: AskedRun;
  P: readonly { ell: number; found: Interval | Refusal }[];
  loss?: Interval | Refusal;
}

export async function sweepPredict(
  io: CommandContext,
  file: string,
  options: PredictOptions,
  command: Command,
): Promise<void> {
  if (options.result && options.suggest === undefined)
    throw new InputError('--result: names what --suggest is to narrow; pass --suggest N too');
  const grid = await readGrid(file);
  if (grid.runs.some(({ experiment }) => experiment.data))
    throw new InputError(
      'data: predictions follow from the laws of a grammar, which rows of your own lack; rhm sweep run trains them',
    );
  const stores = options.store ?? [storeOf(grid, undefined)];
  const { runs, notes } = readRuns(stores);
  for (const note of notes) io.log(`left out: ${note}`);
  const curves = storedCurves(runs);
  const asked = askedOf(grid);
  const trained = trainedFamilies(curves);
  const open = asked.filter(({ family, sentences }) => !trained.has(`${family}|${sentences}`));
  const reached = new ReachedCache();
  const predictor = new Predictor(curves, reached);
  const predicted = open.map((run): Predicted => predictionOf(predictor, run));
  const suggestions = options.suggest === undefined ? undefined : suggestionsOf(predictor, grid, open, options);
  const any = predicted.some(({ P, loss }) => [...P.map(({ found }) => found), ...(loss ? [loss] : [])].some(isFound));
  if (open.length && !any && !suggestions)
    throw new InputError(
      `${stores.join(', ')}: nothing of this grid can be predicted: ${refusalsOf(predicted).join('; ')}; rhm sweep run trains runs like these, --suggest N says which to begin with`,
    );
  const populations = new Set(open.map(({ setting }) => setting.population));
  const alike = curves.filter(({ setting }) => populations.has(setting.population));
  const validity = options.validate ? crossValidate(alike, reached) : [];
  const fits = predictor.fits().filter(({ population }) => populations.has(population));
  const value = {
    stores,
    curves: curves.length,
    alike: alike.length,
    trained: asked.length - open.length,
    predictions: predicted.map(predictedJson),
    fits: fits.map(fitJson),
    unseen: validity,
    ...(suggestions && { suggestions: suggestions.map((one) => suggestionJson(one, open)) }),
  };
  await io.result(command, value, () =>
    [
      `${stores.join(', ')}: ${counted(curves.length, 'curve')}, ${alike.length} of runs like those of ${file}`,
      ...(value.trained ? [`${value.trained} of ${asked.length} are trained already, and left out`] : []),
      '',
      ...(any ? [predictedTable(predicted), ''] : []),
      ...refusalLines(predicted),
      ...fits.map(fitText),
      ...validityText(validity),
      ...(suggestions ? suggestionText(suggestions, open, resultOf(grid, open, options)) : []),
    ].join('\n'),
  );
}

const isFound = (found: Interval | Refusal): found is Interval => !isRefusal(found);

function readRuns(stores: readonly string[]): { runs: Run[]; notes: string[] } {
  const notes: string[] = [];
  const runs = readRunFolders(stores).flatMap((files) => {
    try {
      return [readRun(files)];
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      notes.push(error.message);
      return [];
    }
  });
  return { runs, notes };
}

/** @throws InputError if the losses of the grid's tasks have no known steps */
function askedOf(grid: NamedGrid): AskedRun[] {
  const asked = grid.runs.flatMap(({ name, hash, experiment }): AskedRun[] => {
    const rules = rulesOf(experiment);
    const plateaus = exactFloors(experiment, rules);
    if (!plateaus) return [];
    const { budget, evaluation } = experiment;
    const { batch, accumulate, sentences = plannedSteps(experiment) * batch * accumulate } = budget;
    const key = grammarKey(rules);
    return [
      {
        ...{ name, hash, experiment, plateaus },
        noise: lossNoise(evaluation.size, budget.sentences !== undefined && evaluation.validation !== undefined),
        grammar: key,
        setting: settingOf(experiment),
        family: familyOf(experiment, key),
        sentences: grid.search ? undefined : sentences,
        steps: grid.search?.steps ?? plateaus.slice(1).map((_, i) => i + 1),
      },
    ];
  });
  if (!asked.length)
    throw new InputError(
      `${grid.file}: task ${[...new Set(grid.runs.map(({ experiment }) => experiment.task.kind))].join(', ')} has no known steps of its loss to predict; pass runs of task last, or of auto with evaluation.positions last`,
    );
  return asked;
}

/** Curves, with the P of the runs that a store has of them. */
const trainedFamilies = (curves: readonly StoredCurve[]): Set<string> =>
  new Set(curves.flatMap(({ family, runs }) => runs.map(({ sentences }) => `${family}|${sentences}`)));

function predictionOf(predictor: Predictor, run: AskedRun): Predicted {
  const P = run.steps.map((ell) => ({ ell, found: predictor.position(run, ell) }));
  if (run.sentences === undefined) return { run, P };
  const found = predictor.loss(run, run.sentences);
  const { stopLoss = 0 } = run.experiment.budget;
  const over = (loss: number) => Math.max(stopLoss, loss); // the run is set to stop there
  const loss = isRefusal(found) ? found : { value: over(found.value), low: over(found.low), high: over(found.high) };
  return { run, P, loss };
}

/** The requested result, else P of the deepest step. */
function resultOf(grid: NamedGrid, runs: readonly AskedRun[], { result }: PredictOptions): Result {
  const last = Math.max(...runs.map(({ plateaus }) => plateaus.length - 1));
  if (result && result.ell > last)
    throw new InputError(`--result: step ${result.ell} is beyond the last of these runs, ${last}`);
  return result ?? { kind: 'P', ell: grid.search ? Math.max(...grid.search.steps) : last };
}

function suggestionsOf(
  predictor: Predictor,
  grid: NamedGrid,
  open: readonly AskedRun[],
  options: PredictOptions,
): Suggestion[] {
  if (!open.length) return [];
  const searches = searchesOf(grid);
  const places = new Map(grid.runs.map(({ hash }, i) => [hash, i]));
  const candidates = open.map((run): Candidate => {
    const search = searches[places.get(run.hash)!];
    const online = run.experiment.budget.sentences === undefined;
    const sentences = open.filter(({ family }) => family === run.family).map((one) => one.sentences!);
    const range = search ?? { from: Math.min(...sentences), to: Math.max(...sentences) };
    return { ...run, online, from: range.from, to: range.to, sentences: search || online ? undefined : sentences };
  });
  return suggest(predictor, candidates, resultOf(grid, open, options), options.suggest!);
}

/** Name of the suggested run: for a grid without a search, the one with that P. */
function suggestedName({ candidate, sentences }: Suggestion, open: readonly AskedRun[]): string {
  const run = open[candidate];
  if (sentences === undefined) return run.name;
  if (run.sentences === undefined) return `${run.name}, P=${sentences}`;
  return (open.find((one) => one.family === run.family && one.sentences === sentences) ?? run).name;
}

function refusalsOf(predicted: readonly Predicted[]): string[] {
  const all = predicted.flatMap(({ P, loss }) => [...P.map(({ found }) => found), ...(loss ? [loss] : [])]);
  return [...new Set(all.flatMap((found) => (isRefusal(found) ? [found.refused] : [])))].slice(0, 6);
}

const intervalText = (found: Interval | Refusal | undefined): string =>
  !found || isRefusal(found) ? '-' : `${showNumber(found.value)} [${showNumber(found.low)}, ${showNumber(found.high)}]`;

function predictedTable(predicted: readonly Predicted[]): string {
  const ells = [...new Set(predicted.flatMap(({ P }) => P.map(({ ell }) => ell)))].sort((a, b) => a - b);
  const losses = predicted.some(({ loss }) => loss);
  const head = ['RUN', ...ells.map((ell) => `P_${ell}`), ...(losses ? ['BEST LOSS'] : [])];
  const rows = predicted.map(({ run, P, loss }) => [
    run.name,
    ...ells.map((ell) => intervalText(P.find((one) => one.ell === ell)?.found)),
    ...(losses ? [intervalText(loss)] : []),
  ]);
  return textTable(head, rows);
}

/** Each reason once, with the number of predictions that it concerns. */
function refusalLines(predicted: readonly Predicted[]): string[] {
  const counts = new Map<string, number>();
  for (const { P, loss } of predicted)
    for (const found of [...P.map((one) => one.found), ...(loss ? [loss] : [])])
      if (isRefusal(found)) counts.set(found.refused, (counts.get(found.refused) ?? 0) + 1);
  const lines = [...counts].map(([reason, count]) => `not predicted (${count}): ${reason}`);
  return lines.length ? [...lines, ''] : [];
}

function fitText({ setting, ell, regression }: StepFit): string {
  const { level, powers, exact, bounds } = regression;
  const law = modelFacts(setting.model).family
    ? `${showNumber(Math.exp(level.value))} times the law`
    : `${showNumber(Math.exp(level.value))} on average, without a law`;
  const factors = powers.map(({ name, power, error }) => `${name}^(${power.toFixed(2)} ± ${error.toFixed(2)})`);
  const known = `from ${counted(exact, 'curve')}${bounds ? ` and ${counted(bounds, 'bound')}` : ''}`;
  return `${setting.model}: P_${ell} is ${[law, ...factors].join(', times ')}; ${known}`;
}

function validityText(validity: readonly Validity[]): string[] {
  if (!validity.length) return [];
  const rows = validity.map(({ model, result, asked, predicted, inside, tau, factor }) => [
    model,
    result === 'loss' ? 'best loss' : result,
    `${predicted} of ${asked}`,
    tau === null ? '-' : tau.toFixed(2),
    predicted ? `${inside} of ${predicted}` : '-',
    factor === null ? '-' : factor.toFixed(2),
  ]);
  return [
    '',
    'on grammars that it did not see (each left out in turn):',
    textTable(['MODEL', 'RESULT', 'PREDICTED', "KENDALL'S TAU", 'INSIDE 95%', 'OFF BY A FACTOR'], rows),
  ];
}

function suggestionText(suggestions: readonly Suggestion[], open: readonly AskedRun[], result: Result): string[] {
  const name = result.kind === 'P' ? `P_${result.ell}` : `the power of m in P_${result.ell}`;
  if (!suggestions.length) return ['', `nothing to suggest: ${name} of every curve of the grid is measured`];
  return [
    '',
    `to narrow ${name}:`,
    ...suggestions.map((one) => {
      const { before, after, predicted } = one;
      const spread =
        before === undefined || after === undefined
          ? ''
          : `: mean standard deviation of ${result.kind === 'P' ? `ln P_${result.ell}` : 'the power'} ${before.toFixed(2)} to ${after.toFixed(2)}`;
      const guess = predicted ? '' : ' (P by the law: nothing like it is known)';
      return `  ${suggestedName(one, open)}${spread}${guess}`;
    }),
  ];
}

const intervalJson = (found: Interval | Refusal) =>
  isRefusal(found) ? found : { value: round(found.value), low: round(found.low), high: round(found.high) };

const predictedJson = ({ run, P, loss }: Predicted) => ({
  name: run.name,
  ...(run.sentences !== undefined && { run: run.hash, sentences: run.sentences }),
  P: P.map(({ ell, found }) => ({ ell, ...intervalJson(found) })),
  ...(loss && { loss: intervalJson(loss) }),
});

const fitJson = ({ setting, ell, regression }: StepFit) => ({
  model: setting.model,
  ell,
  law: modelFacts(setting.model).family ?? null,
  factor: Math.exp(regression.level.value),
  powers: regression.powers,
  curves: regression.exact,
  bounds: regression.bounds,
});

const suggestionJson = (one: Suggestion, open: readonly AskedRun[]) => ({
  name: suggestedName(one, open),
  sentences: one.sentences ?? null,
  before: one.before ?? null,
  after: one.after ?? null,
});
