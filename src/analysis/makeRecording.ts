/** From finished runs to the recording that the page plays: losses, clouds of hidden layers, correlations at each P. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { parseRecords } from '../core/records.js';
import { type Rules, shapeOf } from '../core/rules.js';
import { derivationSource } from '../grammar/dataset.js';
import { createSampler, type Sampler } from '../grammar/sampler.js';
import type { Executor } from '../plan/executor.js';
import { CovarianceStream } from '../theory/empirical.js';
import { commonLevel, lossPlateaus, rmsCovariances, sampleComplexities } from '../theory/index.js';
import { dataPointOf } from '../training/dataPoint.js';
import { logitsOf, type Numbers } from '../training/logits.js';
import { epochSteps, membersOf, rulesOf } from '../training/members.js';
import { weightsOf } from '../training/weights.js';
import { projectRows, type Rows, varianceWithin } from './pca.js';
import {
  packCoordinate,
  type RecordedCloud,
  type RecordedFamily,
  type RecordedNetwork,
  type Recording,
  recordedFamilies,
} from './recording.js';

/** The files of a run that has ended. */
export interface FinishedFiles {
  name: string; // for messages
  experiment: Experiment;
  records: string;
  checkpoint: Uint8Array;
}

const COUNT = 256; // test sentences that are points of the clouds
const LEVELS = [1, 2]; // levels of the symbols that colour a cloud: those that steps 2 and 3 need

/**
 * Runs of one grammar, seed and test set, each on P distinct sentences; those of one model are one network. progress: called for each
 * run. @throws InputError if they do not belong together, or one has not ended.
 */
export async function makeRecording(
  runs: readonly FinishedFiles[],
  executor: Executor,
  made: string,
  progress: (done: number, all: number) => void = () => {},
): Promise<Recording> {
  if (!runs.length) throw new InputError('recording: no runs; pass those that rhm recording trains');
  const [{ experiment }] = runs;
  const rules = rulesOf(experiment);
  const sampler = await createSampler(rules);
  const held = heldOut(experiment, sampler);
  const sizes = [...new Set(runs.map((run) => sentencesOf(run)))].sort((a, b) => a - b);
  const networks: RecordedNetwork[] = [];
  const H = lossPlateaus(rules).H;
  let done = 0;
  for (const kind of new Set(runs.map((run) => run.experiment.model.kind))) {
    const own = runs
      .filter((run) => run.experiment.model.kind === kind)
      .sort((a, b) => sentencesOf(a) - sentencesOf(b));
    const hidden: Record<string, Numbers>[] = [];
    for (const run of own) {
      const weights = weightsOf(run.checkpoint, run.name, { which: 'best' });
      hidden.push((await logitsOf(run.experiment, weights, held.rows, executor, true)).hidden);
      progress(++done, runs.length);
    }
    networks.push(networkOf(own, hidden, rules, held, H[rules.L]));
  }
  const { grammar, seed } = experiment;
  const byFamily = <T>(of: (family: RecordedFamily) => T) =>
    Object.fromEntries(recordedFamilies.map((family) => [family, of(family)])) as Record<RecordedFamily, T>;
  const trees = sampler.trees(derivationSource(rules, seed), 0, sizes[sizes.length - 1]);
  return {
    made,
    grammar: { ...shapeOf(grammar), seed: grammar.seed ?? seed },
    H,
    P: byFamily((family) => sampleComplexities(rules, family)),
    signal: byFamily((family) => steps(rules).map((ell) => rmsCovariances(rules, countedLevel(family, ell))[ell])),
    sentences: sizes,
    measured: byFamily((family) => measuredSignals(rules, trees.symbols, sizes, family)),
    tokens: Uint8Array.from(held.rows.flat()),
    symbols: Uint8Array.from(held.symbols),
    count: COUNT,
    networks,
  };
}

const steps = ({ L }: Rules) => Array.from({ length: L }, (_, i) => i + 1);

/**
 * Level of the symbols whose covariance with the last token a network of the family uses for step ell: tokens, or, if what is found in
 * one place applies to all, the symbols two levels below the common ancestor.
 */
const countedLevel = (family: RecordedFamily, ell: number) => (family === 'cnn' ? Math.max(0, ell - 2) : 0);

function sentencesOf({ name, experiment }: FinishedFiles): number {
  const { sentences } = experiment.budget;
  if (sentences === undefined)
    throw new InputError(`${name}: budget.sentences: none; a recorded run has P distinct ones`);
  return sentences;
}

interface HeldOut {
  rows: number[][]; // [COUNT][d]
  symbols: number[]; // [COUNT, nodes], above the tokens
  nodes: number;
}

/** The first test sentences: the same for every P. */
function heldOut(experiment: Experiment, sampler: Sampler): HeldOut {
  const { test } = membersOf(experiment)[0];
  const { symbols } = sampler.trees(test, 0, COUNT);
  const width = symbols.length / COUNT;
  const d = sampler.tokensPerSentence;
  const row = (i: number) => [...symbols.subarray(i * width, (i + 1) * width)];
  const all = Array.from({ length: COUNT }, (_, i) => row(i));
  return {
    rows: all.map((tree) => tree.slice(-d)),
    symbols: all.flatMap((tree) => tree.slice(0, -d)),
    nodes: width - d,
  };
}

function networkOf(
  runs: readonly FinishedFiles[],
  hidden: readonly Record<string, Numbers>[],
  rules: Rules,
  held: HeldOut,
  floor: number,
): RecordedNetwork {
  const { kind, ...model } = runs[0].experiment.model;
  const { optimiser, budget } = runs[0].experiment;
  const points = runs.map(({ name, experiment, records }) => {
    const point = dataPointOf(experiment, parseRecords(records).records, 0);
    if (point?.excess === undefined) throw new InputError(`${name}: it has not come to its end; train it on`);
    return { ...point, epochs: point.bestStep / epochSteps(experiment.budget) };
  });
  const layers = Object.keys(hidden[0]);
  const clouds = LEVELS.filter((level) => level < rules.L).map((level) => cloudOf(level, rules));
  const K = runs.length;
  const packed = new Uint8Array(K * clouds.length * COUNT * 3);
  const within = new Float32Array(K * clouds.length);
  const places = new Uint8Array(K * clouds.length * 2);
  for (const [c, cloud] of clouds.entries()) {
    let next: Float64Array | undefined; // of the run with the next larger P
    for (let k = K - 1; k >= 0; k--) {
      const at = k * clouds.length + c;
      const { layer, position, rows, part } = clearest(hidden[k], cloud, rules, held);
      next = projectRows(rows, next);
      packed.set(Uint8Array.from(next, packCoordinate), at * COUNT * 3);
      within[at] = part;
      places.set([layers.indexOf(layer), position], 2 * at);
    }
  }
  return {
    kind,
    model,
    optimiser: { ...optimiser },
    batch: budget.batch * budget.accumulate,
    layers,
    clouds,
    sentences: points.map((p) => p.sentences),
    loss: Float32Array.from(points, (p) => floor + p.excess!),
    epochs: Float32Array.from(points, (p) => p.epochs),
    limited: Uint8Array.from(points, (p) => Number(p.limited)),
    within,
    places,
    points: packed,
  };
}

/** The second to last symbol of a level: the nearest to the last token whose tokens are all visible. */
function cloudOf(level: number, { s, L }: Rules): RecordedCloud {
  const row = s ** (L - level);
  return { level, node: (row - 1) / (s - 1) + row - 2 };
}

/**
 * The place where the symbols are most visible: the layer (in attention, also the position) with the least variance within symbols. In a
 * convolution the position is the one above the symbol's tokens; attention may have moved them to any position.
 */
function clearest(hidden: Record<string, Numbers>, { level, node }: RecordedCloud, rules: Rules, held: HeldOut) {
  const { s, L, v } = rules;
  const row = s ** (L - level);
  const classes = symbolsAt(held, node);
  const places = Object.entries(hidden).flatMap(([layer, numbers]) => {
    const [, positions] = numbers.shape;
    const chosen = positions === s ** L ? [...Array(positions).keys()] : positions === row ? [row - 2] : [];
    return chosen.map((position) => {
      const rows = rowsAt(numbers, position);
      return { layer, position, rows, part: varianceWithin(rows, classes, v) };
    });
  });
  const best = places.sort((a, b) => a.part - b.part)[0];
  if (!best)
    throw new InputError(`recording: no hidden layer has a position for each symbol of level ${level} or each token`);
  return best;
}

const symbolsAt = ({ symbols, nodes }: HeldOut, node: number) =>
  Array.from({ length: COUNT }, (_, b) => symbols[b * nodes + node]);

function rowsAt({ data, shape: [count, positions, units] }: Numbers, position: number): Rows {
  return { data, count, units, start: position * units, stride: positions * units };
}

/** [P, L]: root-mean-square covariance of the last token with what the family uses, on the first P of the trees. */
function measuredSignals(
  rules: Rules,
  trees: Uint32Array,
  sizes: readonly number[],
  family: RecordedFamily,
): Float32Array {
  const { v, s, L } = rules;
  const width = (s ** (L + 1) - 1) / (s - 1);
  const found = new Float32Array(sizes.length * L);
  for (const level of new Set(steps(rules).map((ell) => countedLevel(family, ell)))) {
    const row = s ** (L - level); // symbols at that level
    const places = row - 1; // except the one above the last token
    const levels = Array.from({ length: places }, (_, p) => commonLevel(rules, level, p));
    const stream = new CovarianceStream({ v, width: places, levels });
    let from = 0;
    for (const [i, P] of sizes.entries()) {
      const left = trees.subarray(from * width + (row - 1) / (s - 1));
      stream.add(left, width, trees.subarray(from * width), width, width - 1, P - from);
      from = P;
      for (const { ell, meanSquare } of stream.result())
        if (countedLevel(family, ell) === level) found[i * L + ell - 1] = Math.sqrt(meanSquare.value);
    }
  }
  return found;
}
