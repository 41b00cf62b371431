/** Run folders and curves made with a known staircase. */
import { type Curve, exactFloors, exactPlateaus, grammarKey } from '../../src/analysis/curves.js';
import type { RunFiles } from '../../src/analysis/runs.js';
import { type Experiment, parseExperiment } from '../../src/core/experiment.js';
import { formatRecord } from '../../src/core/records.js';
import { type GrammarShape, makeRules, type Rules } from '../../src/core/rules.js';
import { evaluatedTask } from '../../src/core/tasks.js';
import { streamKey } from '../../src/core/threefry.js';
import { UniformStream } from '../../src/core/uniform.js';
import { floorsOf } from '../../src/theory/floors.js';
import { sampleComplexity } from '../../src/theory/index.js';

export class Normal {
  private readonly words: UniformStream;
  constructor(seed: number) {
    this.words = new UniformStream(streamKey(seed, 'measure', 99));
  }
  /** One standard normal draw (Box-Muller). */
  next(): number {
    const u = (this.words.word() + 1) / (2 ** 32 + 1);
    return Math.sqrt(-2 * Math.log(u)) * Math.cos((2 * Math.PI * this.words.word()) / 2 ** 32);
  }
}

export interface Staircase {
  positions: number[]; // ln P_1 .. ln P_L
  width: number; // of each step in ln P; must be smaller than the distance of the steps
}

/**
 * Loss at ln P: ln excess falls linearly in ln P across each step, so that it is at the geometric mean at P_ell; at the last step
 * the excess itself falls linearly, so that it is at half the gap there.
 */
export function staircaseLoss(
  plateaus: readonly number[],
  { positions, width }: Staircase,
  logSamples: number,
): number {
  const floor = plateaus[plateaus.length - 1];
  const done = positions.map((p) => Math.min(1, Math.max(0, (logSamples - p) / width + 0.5)));
  let excess = plateaus[0] - floor;
  for (let ell = 1; ell < plateaus.length - 1; ell++)
    excess *= ((plateaus[ell] - floor) / (plateaus[ell - 1] - floor)) ** done[ell - 1];
  return floor + excess * (1 - done[plateaus.length - 2]);
}

/** Evaluations at 1, 2, 3, ... and then by factors of 2^(1/k) in steps, as in runs. */
export function evaluationSteps(steps: number, perDoubling = 4): number[] {
  const list: number[] = [];
  for (let s = 1; s < steps; s = Math.max(s + 1, Math.round(s * 2 ** (1 / perDoubling)))) list.push(s);
  return [...list, steps];
}

export interface SyntheticOptions {
  kind?: 'hcnn' | 'mla' | 'hlcn' | 'fcn' | 'clm' | 'unet';
  shape: GrammarShape;
  grammarSeed?: number;
  staircase: Staircase;
  noise?: number; // nats, standard deviation of each evaluation
  steps?: number;
  batch?: number;
  seed?: number;
  plateausOf?: (rules: Rules) => number[]; // default: those of the last token
}

export function syntheticCurve(options: SyntheticOptions): Curve {
  const {
    kind = 'hcnn',
    shape,
    grammarSeed = 1,
    staircase,
    noise = 0,
    steps = 2 ** 15,
    batch = 32,
    seed = 0,
    plateausOf = exactPlateaus,
  } = options;
  const rules = rulesFor(shape, grammarSeed);
  const plateaus = plateausOf(rules);
  const random = new Normal(seed);
  return {
    series: kind,
    anyBatch: kind,
    batch,
    kind,
    task: 'last',
    shape,
    grammar: grammarKey(rules),
    rules,
    replica: `${kind} ${grammarSeed} ${seed}`,
    online: true,
    points: evaluationSteps(steps).map((step) => ({
      samples: step * batch,
      loss: staircaseLoss(plateaus, staircase, Math.log(step * batch)) + noise * random.next(),
      accuracy: 0.5,
    })),
    plateaus,
    noise: 0.002,
    sentences: Number.POSITIVE_INFINITY,
    measures: [],
    status: 'done',
  };
}

export interface SyntheticRunOptions extends Omit<SyntheticOptions, 'staircase'> {
  path?: string;
  staircases: Staircase[]; // one a replica
  end?: 'done' | 'none' | 'diverged' | 'interrupted';
  measures?: boolean; // invariance ratios that fall at P_(level+1)
  valid?: boolean; // sentences written up to each level: half of them valid at P_level
  probes?: boolean; // read-outs of hcnn: layer k passes one half at P_(level+1), 2^p later at position p; never below its level
  overrides?: Record<string, unknown>; // of the experiment
}

/** The files of a run folder, one replica per staircase. */
export function syntheticRun(options: SyntheticRunOptions): RunFiles {
  const { kind = 'hcnn', shape, grammarSeed = 1, staircases, steps = 2 ** 15, batch = 32, end = 'done' } = options;
  const experiment = {
    model: kind === 'mla' || kind === 'clm' ? { kind, channels: 32, heads: 4 } : { kind, width: 64 },
    grammar: { ...shape, seed: grammarSeed },
    budget: { batch, steps },
    evaluation: { size: 16384 },
    replicas: staircases.length,
    seed: options.seed ?? 0,
    ...options.overrides,
  };
  parseExperiment(experiment);
  const lines = [
    formatRecord({ type: 'start', hash: `hash-${options.path}`, adapter: 'synthetic adapter', executor: 'none' }),
  ];
  staircases.forEach((staircase, replica) => {
    const curve = syntheticCurve({ ...options, staircase, seed: (options.seed ?? 0) * 100 + replica });
    curve.points.forEach(({ samples, loss, accuracy }, i) => {
      const step = samples / batch;
      const broken = end === 'diverged' && i > curve.points.length / 2;
      lines.push(
        formatRecord({
          type: 'eval',
          replica,
          step,
          samples,
          loss: broken ? Number.NaN : loss,
          accuracy,
          elapsed_ms: step,
        }),
      );
      for (let level = 1; options.valid && level <= shape.L; level++) {
        // Half of the sentences are valid up to a level when its step is half taken, all of them a width later.
        const late = (Math.log(samples) - staircase.positions[level - 1]) / staircase.width;
        const value = Math.min(1, Math.max(0, 0.5 + late / 2));
        lines.push(formatRecord({ type: 'measure', replica, step, samples, name: 'valid', level, value }));
      }
      for (let level = 1; options.probes && level < shape.L; level++)
        for (let layer = 1; layer <= shape.L; layer++) {
          const map = Array.from({ length: 2 ** (shape.L - layer) }, (_, p) => {
            const late = (Math.log(samples) - staircase.positions[level]) / staircase.width - p;
            const accuracy = layer < level ? 0.2 : Math.min(0.99, Math.max(0.15, 0.5 + 0.3 * late));
            return Array.from({ length: 2 ** (shape.L - level) }, (_, place) =>
              place === 0 ? accuracy : accuracy / 2,
            );
          });
          const value = map[0][0] / 2;
          lines.push(
            formatRecord({ type: 'measure', replica, step, samples, name: 'probes', layer, level, value, map }),
          );
        }
      for (let level = 1; options.measures && level < shape.L; level++) {
        const value = Math.min(
          1,
          Math.max(0, 0.5 - (Math.log(samples) - staircase.positions[level]) / staircase.width),
        );
        for (let layer = 1; layer <= shape.L; layer++)
          lines.push(
            formatRecord({
              type: 'measure',
              replica,
              step,
              samples,
              name: 'invariance',
              layer,
              level,
              value: layer < level ? 1 : value,
            }),
          );
      }
    });
  });
  if (end !== 'none') lines.push(formatRecord({ type: 'end', reason: end }));
  return {
    path: options.path ?? 'run',
    experiment: JSON.stringify(experiment),
    rules: JSON.stringify(rulesFor(shape, grammarSeed)),
    records: lines.join(''),
  };
}

/** ln P_1 .. ln P_L by the law of the model, times a prefactor, plus `scatter` normal deviations of ln P each. */
export function lawPositions(
  shape: GrammarShape,
  kind: 'hcnn' | 'mla' | 'hlcn',
  prefactor: number,
  scatter = 0,
  random = new Normal(0),
): number[] {
  return Array.from(
    { length: shape.L },
    (_, i) =>
      Math.log(prefactor * sampleComplexity(shape, kind === 'hcnn' ? 'cnn' : 'transformer', i + 1)) +
      scatter * random.next(),
  );
}

/** Runs of hcnn and mla for several m and grammars, as made by a reproduction. */
export function syntheticStudy(
  options: {
    ms?: number[];
    grammars?: number;
    scatter?: number;
    steps?: number;
    measures?: boolean;
    hlcn?: boolean;
    batches?: number[]; // hcnn again with these batches, with P as large as the batch
  } = {},
): RunFiles[] {
  const { ms = [2, 3, 4], grammars = 4, scatter = 0.15, steps = 2 ** 17, measures, hlcn, batches = [] } = options;
  const random = new Normal(5);
  const kinds = hlcn ? (['hcnn', 'hlcn', 'mla'] as const) : (['hcnn', 'mla'] as const);
  const sets = [
    ...kinds.map((kind) => ({ kind, batch: 32, ending: '' })),
    ...batches.map((batch) => ({ kind: 'hcnn' as const, batch, ending: `-b${batch}` })),
  ];
  return sets.flatMap(({ kind, batch, ending }) =>
    ms.flatMap((m) =>
      Array.from({ length: grammars }, (_, g) => {
        const shape = { v: 8, n: 8, m, s: 2, L: 3 };
        const staircases = [0, 1].map(() => ({
          positions: lawPositions(shape, kind, ((kind === 'mla' ? 60 : 100) * batch) / 32, scatter, random),
          width: 0.6,
        }));
        return syntheticRun({
          path: `runs/${kind}-m${m}-g${g}${ending}`,
          batch,
          kind,
          shape,
          grammarSeed: 10 + g,
          staircases,
          noise: 0.003,
          steps,
          measures,
          seed: g,
        });
      }),
    ),
  );
}

/** Runs of hcnn whose hidden symbols are read out. */
export function syntheticProbeStudy({ ms = [2, 3], grammars = 2, steps = 2 ** 13, prefactor = 20 } = {}): RunFiles[] {
  return ms.flatMap((m) =>
    Array.from({ length: grammars }, (_, g) => {
      const shape = { v: 8, n: 8, m, s: 2, L: 3 };
      const staircases = [{ positions: lawPositions(shape, 'hcnn', prefactor), width: 0.6 }];
      const setting = { shape, grammarSeed: 10 + g, staircases, noise: 0.001, steps, seed: g, probes: true };
      const overrides = { measures: ['probes'], model: { kind: 'hcnn', width: 64 } };
      return syntheticRun({ path: `probes/hcnn-m${m}-g${g}`, ...setting, overrides });
    }),
  );
}

/** One-pass runs on masked tokens, one of eight, that fall to the exact losses: the decoder to those given the preceding tokens. */
export function syntheticMaskedStudy({ ms = [2, 3], grammars = 2, steps = 2 ** 13 } = {}): RunFiles[] {
  const task = { kind: 'mask', fraction: 0.125 } as const;
  const measures = ['validity'];
  return (['unet', 'mla', 'clm'] as const).flatMap((kind) =>
    ms.flatMap((m) =>
      Array.from({ length: grammars }, (_, g) => {
        const shape = { v: 8, n: 8, m, s: 2, L: 3 };
        return syntheticRun({
          ...{ path: `masked/${kind}-m${m}-g${g}`, kind, shape, grammarSeed: 10 + g, noise: 0.003, steps, seed: g },
          staircases: [{ positions: lawPositions(shape, kind === 'unet' ? 'hcnn' : 'mla', 40), width: 0.6 }],
          plateausOf: (rules) => exactFloors({ task, model: { kind } as Experiment['model'], evaluation: {} }, rules)!,
          ...{ overrides: { task, measures }, valid: true },
        });
      }),
    ),
  );
}

export interface SyntheticDataOptions extends Pick<SyntheticOptions, 'kind' | 'shape' | 'grammarSeed' | 'noise'> {
  staircase?: Staircase;
  weights?: Rules['ruleProbabilities'];
  shuffle?: number;
  path?: string;
  sizes?: readonly number[]; // P
  /** Test error at P, for tasks without a staircase; the loss is the same number. */
  error?: (P: number) => number;
  /** Where the best validation loss came, as a fraction of the allowed steps. */
  bestAt?: (P: number) => number;
  overrides?: Record<string, unknown>;
}

/** Run folders on P distinct sentences, with a validation set and a test at the end: one folder per P. */
export function syntheticDataRuns(options: SyntheticDataOptions): RunFiles[] {
  const {
    kind = 'hcnn',
    shape,
    grammarSeed = 1,
    staircase,
    noise = 0,
    path = 'data',
    bestAt = () => 0.3,
    error,
  } = options;
  const sizes = options.sizes ?? Array.from({ length: 11 }, (_, i) => 32 * 2 ** i);
  const rules = { ...rulesFor(shape, grammarSeed), ...(options.weights && { ruleProbabilities: options.weights }) };
  const random = new Normal(grammarSeed);
  return sizes.map((P): RunFiles => {
    const budget = { batch: 32, sentences: P, steps: 10000, patience: 2 };
    const model = kind === 'mla' ? { kind, channels: 32, heads: 4 } : { kind, width: 64 };
    const evaluation = { size: 64, validation: 32 };
    const experiment = {
      model,
      grammar: {
        ...shape,
        seed: grammarSeed,
        ...(options.weights && { ruleProbabilities: options.weights }),
        ...(options.shuffle !== undefined && { shuffle: options.shuffle }),
      },
      budget,
      evaluation,
      seed: grammarSeed,
      ...options.overrides,
    };
    // For a window of s^ell tokens the first ell steps.
    const plateaus = floorsOf(evaluatedTask(parseExperiment(experiment)), rules);
    const planted = staircase && plateaus ? staircaseLoss(plateaus, staircase, Math.log(P)) : error!(P);
    const loss = planted * Math.exp(noise * random.next());
    const steps = evaluationSteps(budget.steps);
    const best = steps.reduce((a, b) => (Math.abs(b - 1e4 * bestAt(P)) < Math.abs(a - 1e4 * bestAt(P)) ? b : a));
    const exact = plateaus && plateaus[plateaus.length - 1] + 0.01; // an easy test set: both losses are shifted by the same amount
    const evals = steps.map((step) => ({
      type: 'eval' as const,
      replica: 0,
      step,
      samples: 32 * step,
      loss: step === best ? loss : 1.2 * loss,
      accuracy: 0.5,
      elapsed_ms: step,
      set: 'validation' as const,
    }));
    const tested = {
      type: 'test',
      replica: 0,
      step: best,
      samples: 32 * best,
      validation: loss,
      accuracy: error ? 1 - error(P) : 0.5,
    } as const;
    const records = [
      { type: 'start', hash: `hash-${path}-${P}`, adapter: 'synthetic adapter', executor: 'none' } as const,
      ...evals,
      { ...tested, loss: loss + 0.01, ...(exact !== undefined && { exact }) },
      { type: 'end', replica: 0, reason: 'done' } as const,
    ];
    return {
      path: `${path}-P${P}`,
      experiment: JSON.stringify(experiment),
      rules: JSON.stringify(rules),
      records: records.map(formatRecord).join(''),
    };
  });
}

/** Curves in data that follow the laws, for the networks and grammars of syntheticStudy. */
export function syntheticDataStudy({ ms = [2, 3, 4], grammars = 3, prefactor = 4 } = {}): RunFiles[] {
  const random = new Normal(7);
  return (['hcnn', 'hlcn', 'mla'] as const).flatMap((kind) =>
    ms.flatMap((m) =>
      Array.from({ length: grammars }, (_, g) => {
        const shape = { v: 8, n: 8, m, s: 2, L: 3 };
        const staircase = { positions: lawPositions(shape, kind, prefactor, 0.1, random), width: 0.6 };
        const sizes = Array.from({ length: 15 }, (_, i) => 32 * 2 ** i);
        return syntheticDataRuns({
          kind,
          shape,
          grammarSeed: 10 + g,
          staircase,
          sizes,
          path: `data/${kind}-m${m}-g${g}`,
        });
      }).flat(),
    ),
  );
}

const rulesCache = new Map<string, Rules>();
function rulesFor(shape: GrammarShape, seed: number): Rules {
  const key = JSON.stringify([shape, seed]);
  if (!rulesCache.has(key)) rulesCache.set(key, makeRules(shape, seed));
  return rulesCache.get(key)!;
}
