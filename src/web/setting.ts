/** A visitor's choices, as one JSON value: it is stored in links and determines the experiments that are trained. */
import { show } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { checkShape, sentenceLength, shapeOf } from '../core/rules.js';
import { tasks, tasksWith } from '../core/tasks.js';
import { measures } from '../measures/index.js';
import { createModel } from '../models/index.js';

export interface Setting {
  grammar: Record<string, unknown>;
  /** How the networks that train side by side differ. */
  networks: {
    model: Record<string, unknown>;
    optimiser?: Record<string, unknown>;
    from?: Experiment['from']; // the run in this browser that it continues
  }[];
  task?: Record<string, unknown>; // the page shows the prediction of the last token
  schedule?: Record<string, unknown>;
  budget: Record<string, unknown>;
  evaluation: Record<string, unknown>;
  measures: string[];
  replicas: number;
  seed: number;
  /** How each network's hidden layers are viewed: the visitor's choices; empty if left to the page. */
  looks?: LookChoice[];
}

/** Parts of a view stored in links; a value that does not fit the network is moved to the nearest that does. */
export interface LookChoice {
  replica?: number;
  layer?: number; // from 0
  position?: number; // negative counts from the end
  level?: number;
  head?: number; // -1: the mean over all
  sentence?: number; // -1: the mean over some
  measured?: number; // replica whose invariance is shown, -1: the mean over all
}
const lookFields = ['replica', 'layer', 'position', 'level', 'head', 'sentence', 'measured'] as const;

/** Its three steps are learnt in about a minute on a CPU, by the convolutional network well before the transformer. */
export const firstSetting: Setting = {
  grammar: { v: 8, n: 8, m: 3, s: 2, L: 3, seed: 1 },
  networks: [
    { model: { kind: 'hcnn', width: 64 }, optimiser: { kind: 'sgd', rate: 1 } },
    { model: { kind: 'mla', channels: 32, heads: 4 }, optimiser: { kind: 'adamw', rate: 5e-3 } },
  ],
  budget: { batch: 32, steps: 8192 },
  evaluation: { size: 1024, perDoubling: 4 },
  measures: ['invariance'],
  replicas: 1,
  seed: 0,
};

/** The experiments of a setting, one per network. @throws InputError naming field, bound and remedy. */
export function experimentsOf(setting: Setting): Experiment[] {
  const { networks, looks: _, ...shared } = setting;
  return networks.map((network) => withinPage(parseExperiment({ ...shared, ...network })));
}

/** Checks a value from a link or a file. @throws InputError */
export const parseSetting = (value: unknown): Setting => readSetting(value).setting;

/** The same with its experiments, one per network. @throws InputError */
export function readSetting(value: unknown): { setting: Setting; experiments: Experiment[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError('setting: expected an object with grammar, networks, budget and so on');
  const known = Object.keys(firstSetting).concat('schedule', 'task', 'looks');
  for (const key of Object.keys(value))
    if (!known.includes(key))
      throw new InputError(`setting: unknown field "${key.slice(0, 40)}"; known fields are ${known.join(', ')}`);
  const setting = { ...firstSetting, ...value } as Setting;
  const { networks } = setting;
  if (!Array.isArray(networks) || networks.length < 1 || networks.length > 3)
    throw new InputError('networks: expected 1 to 3 networks, each {model, optimiser}');
  for (const network of networks)
    if (
      typeof network !== 'object' ||
      network === null ||
      Object.keys(network).some((k) => k !== 'model' && k !== 'optimiser' && k !== 'from')
    )
      throw new InputError(
        'networks: each may have model, optimiser and from (the run that it continues), and no other field',
      );
  if (setting.looks !== undefined) checkLooks(setting.looks, networks.length);
  const experiments = experimentsOf(setting);
  for (const experiment of experiments) {
    createModel(experiment);
    for (const name of experiment.measures)
      if (!Object.hasOwn(measures, name))
        throw new InputError(`measures: got ${show(name)}; there are ${Object.keys(measures).join(', ')}`);
  }
  return { setting, experiments };
}

/** @throws InputError */
function checkLooks(looks: unknown, networks: number): void {
  if (!Array.isArray(looks) || looks.length > 3)
    throw new InputError(`looks: expected a list with one look for each of the ${networks} networks`);
  for (const look of looks)
    for (const [field, value] of Object.entries(Object(look))) {
      if (!(lookFields as readonly string[]).includes(field))
        throw new InputError(`looks: unknown field "${field.slice(0, 40)}"; known fields are ${lookFields.join(', ')}`);
      if (!Number.isInteger(value) || (value as number) < -2 || (value as number) > 512)
        throw new InputError(`looks.${field}: got ${show(value)}, expected an integer from -2 to 512`);
    }
}

/** Limits for the page, so that a link cannot freeze a visitor's machine. Larger experiments run with `rhm train`. */
export const pageLimits = {
  'grammar.v': 64,
  'grammar.m': 64,
  'grammar.L': 7,
  tokens: 256,
  'model.width': 1024,
  'model.channels': 512,
  'model.depth': 12,
  'budget.batch': 4096,
  'budget.accumulate': 16,
  'budget.steps': 4_194_304,
  'evaluation.size': 65536,
  replicas: 8,
} as const;

/** @throws InputError naming what is too large for the page. */
function withinPage(experiment: Experiment): Experiment {
  const { grammar, model, budget, evaluation, replicas } = experiment;
  checkShape(shapeOf(experiment.grammar));
  if (!tasks[experiment.task.kind].staircase)
    throw new InputError(
      `task.kind: got '${experiment.task.kind}', this page shows ${tasksWith(({ staircase }) => staircase)}; run other tasks on the command line with rhm train`,
    );
  const found: Record<keyof typeof pageLimits, number | undefined> = {
    'grammar.v': Math.max(grammar.v, grammar.n ?? 0),
    'grammar.m': grammar.m,
    'grammar.L': grammar.L,
    tokens: sentenceLength(grammar),
    'model.width': 'width' in model ? model.width : undefined,
    'model.channels': 'channels' in model ? model.channels : undefined,
    'model.depth': 'depth' in model ? model.depth : undefined,
    'budget.batch': budget.batch,
    'budget.accumulate': budget.accumulate,
    'budget.steps': budget.steps,
    'evaluation.size': evaluation.size,
    replicas,
  };
  for (const [field, limit] of Object.entries(pageLimits)) {
    const value = found[field as keyof typeof pageLimits];
    if (value !== undefined && value > limit)
      throw new InputError(
        `${field === 'tokens' ? 's^L, tokens of a sentence' : field}: got ${value}, this page allows at most ${limit}; run larger experiments on the command line with rhm train`,
      );
  }
  return experiment;
}
