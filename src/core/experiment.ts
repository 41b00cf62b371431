import * as z from 'zod';
import { InputError } from './errors.js';
import { count } from './fields.js';
import { DEFAULT_MODEL, modelFacts, modelSchema } from './modelFacts.js';
import { nearest, nearestByLastPart } from './nearest.js';
import { optimiserSchema } from './optimisers.js';
import { type GrammarShape, grammarLimits, TOKEN_LIMIT } from './rules.js';
import { DEFAULT_TASK, taskKinds, tasks } from './tasks.js';
import { wanted } from './wanted.js';

const seed = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const weights = z.union([
  z.literal('uniform'),
  z.strictObject({ zipf: z.number().min(0) }),
  z.array(z.number().min(0)),
]);

const size = (name: keyof GrammarShape) => z.number().int().min(grammarLimits[name][0]).max(grammarLimits[name][1]);
const grammar = z.strictObject({
  v: size('v').default(16).describe('v, vocabulary size'),
  n: size('n').optional().describe('n, root symbols; default: v'),
  m: size('m').default(4).describe('m, production rules per symbol'),
  s: size('s').default(2).describe('s, branching factor'),
  L: size('L').default(4).describe('L, depth; a sentence has s^L tokens'),
  seed: seed.optional().describe('seed of the rules; default: the seed of the experiment'),
  rootPrior: weights.optional().describe('probabilities of the root symbols; default uniform'),
  ruleProbabilities: z
    .union([weights, z.array(z.union([weights, z.null()]))])
    .optional()
    .describe('probabilities of the m rules, one value for all levels or one a level; default uniform'),
  rules: z
    .array(z.array(z.array(z.array(z.number().int().min(0)))))
    .optional()
    .describe('the rules themselves: [level][symbol][rule] = tuple; default: drawn from the seed'),
});

const task = z.strictObject({
  kind: z
    .enum(taskKinds)
    .default(DEFAULT_TASK)
    .describe(`predict ${inWords(taskKinds.map((kind) => tasks[kind].predicts))}`),
  context: count(TOKEN_LIMIT)
    .optional()
    .describe('use only the last tokens, this many with the predicted one; default: all s^L'),
});

const schedule = z.strictObject({
  kind: z.enum(['constant', 'cosine']).default('constant').describe('schedule of the rate'),
  warmup: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31)
    .default(0)
    .describe('steps of linear warm-up'),
  floor: z.number().min(0).max(1).default(0.1).describe('last rate over base rate, cosine'),
});

const budget = z.strictObject({
  batch: count(2 ** 20)
    .default(128)
    .describe('sentences a step'),
  accumulate: count(4096).default(1).describe('batches a step'),
  steps: count(2 ** 31)
    .optional()
    .describe('optimiser steps; default 65536 online, or what the epochs need'),
  sentences: count(2 ** 31)
    .optional()
    .describe('P, distinct training sentences; default: online, every batch fresh'),
  epochs: count(2 ** 20)
    .optional()
    .describe('passes over the P sentences'),
  stopLoss: z
    .number()
    .min(0)
    .optional()
    .describe('stop when the test loss (the validation loss, where there is one) is at most this, in nats'),
  patience: z
    .number()
    .gt(1)
    .max(1e6)
    .optional()
    .describe(
      'stop at this many times the steps (at least those of one epoch) that the best validation loss took; needs evaluation.validation',
    ),
});

const evaluation = z.strictObject({
  size: count(2 ** 24)
    .default(4096)
    .describe('test sentences'),
  validation: count(2 ** 24)
    .optional()
    .describe('validation sentences, apart from training and test: stopLoss, patience and best weights look at them'),
  perDoubling: count(64)
    .default(4)
    .describe('k, evaluations a doubling: at 1, 2, 3, ... then every factor 2^(1/k) in steps'),
});

const digest = z.string().regex(/^[0-9a-f]{16}$/, 'pass 16 hexadecimal digits');
const from = z
  .strictObject({
    run: digest.describe('hash of the run'),
    step: z
      .number()
      .int()
      .min(0)
      .max(2 ** 31)
      .describe('steps that it had done'),
    checkpoint: digest.describe('digest of what its checkpoint held'),
  })
  .optional()
  .describe('the run that this one continues; rhm train --from writes it');

const fieldsWith = (model: ReturnType<typeof modelSchema>) => ({
  grammar: grammar.prefault({}),
  task: task.prefault({}),
  model: model.prefault({ kind: DEFAULT_MODEL }),
  optimiser: optimiserSchema.optional(),
  schedule: schedule.prefault({}),
  budget: budget.prefault({}),
  evaluation: evaluation.prefault({}),
  measures: z.array(z.string()).default([]).describe('measures of representation, by name'),
  replicas: count(4096).default(1).describe('R, replicas; copies with seeds of their own, trained side by side'),
  seed: seed.default(0).describe('first seed; replica r has seed + r'),
  from,
});

const schemaWith = (model: ReturnType<typeof modelSchema>) => z.strictObject(fieldsWith(model));
let known: { model: ReturnType<typeof modelSchema>; schema: ReturnType<typeof schemaWith>; json?: unknown } | undefined;

/** Made again when a model was registered. */
function schemas(): NonNullable<typeof known> {
  const model = modelSchema();
  if (known?.model !== model) known = { model, schema: schemaWith(model) };
  return known;
}

export const experimentSchema = () => schemas().schema;

type Parsed = z.infer<ReturnType<typeof experimentSchema>>;
/** One immutable description of a run. Everything that decides its bits is in here. */
export type Experiment = Readonly<Omit<Parsed, 'optimiser'> & { optimiser: NonNullable<Parsed['optimiser']> }>;
/** What a user may write: every field optional, `model: 'hcnn'` short for `model: { kind: 'hcnn' }`. */
export type ExperimentInput = Record<string, unknown>;

/** Fields that may be given as a bare name. */
const shorthands = ['model', 'optimiser', 'task', 'schedule'];

/** `a, b, or c`. */
function inWords(parts: readonly string[]): string {
  return `${parts.slice(0, -1).join(', ')}, or ${parts[parts.length - 1]}`;
}

/** Everything that is wrong with an experiment. */
export class ExperimentError extends InputError {
  override get name() {
    return 'InputError';
  }
  constructor(readonly faults: readonly string[]) {
    super(faults.join('; '));
  }
}

/** Fills defaults and checks. @throws InputError naming field, value and bound; unknown fields with the nearest known one. */
export function parseExperiment(input: unknown): Experiment {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw new InputError(`experiment: got ${JSON.stringify(input)}; pass an object such as {"model": "hcnn"}`);
  const { $schema: _, ...raw } = input as Record<string, unknown>; // for editors: nothing of the run
  for (const key of shorthands) {
    if (typeof raw[key] === 'string') raw[key] = { kind: raw[key] };
    const value = raw[key];
    if (value && typeof value === 'object' && !('kind' in value) && (key === 'model' || key === 'optimiser'))
      raw[key] = { ...(key === 'model' ? { kind: DEFAULT_MODEL } : optimiserOf(raw)), ...value };
  }
  if (raw.optimiser === undefined) raw.optimiser = optimiserOf(raw);
  const result = experimentSchema().safeParse(raw);
  if (!result.success) throw new ExperimentError(result.error.issues.map((issue) => explain(issue, raw)));
  const { budget, evaluation } = result.data;
  if (budget.patience !== undefined && evaluation.validation === undefined)
    throw new ExperimentError([
      `budget.patience: got ${budget.patience} without a validation set; pass evaluation.validation too, such as 4096`,
    ]);
  return Object.freeze(result.data as Experiment);
}

function optimiserOf(raw: Record<string, unknown>): Record<string, unknown> {
  const { kind = DEFAULT_MODEL } = (raw.model ?? {}) as { kind?: unknown };
  return { ...modelFacts(String(kind)).optimiser };
}

/** JSON Schema of an experiment with every section spelt out: for forms and messages. Of a file: core/fileSchema.ts. */
export function experimentJsonSchema(): unknown {
  const now = schemas();
  now.json ??= z.toJSONSchema(now.schema, { io: 'input' });
  return now.json;
}

/** Dotted names of all fields, those of every kind of model and optimiser among them. */
export function experimentFields(): string[] {
  const sections = {
    grammar: [grammar],
    task: [task],
    schedule: [schedule],
    budget: [budget],
    evaluation: [evaluation],
  };
  const variants = { ...sections, model: modelSchema().options, optimiser: optimiserSchema.options };
  const nested = Object.entries(variants).flatMap(([section, objects]) =>
    objects.flatMap((object) => Object.keys(object.shape).map((key) => `${section}.${key}`)),
  );
  return [...new Set([...Object.keys(experimentSchema().shape), ...nested])];
}

function explain(issue: z.core.$ZodIssue, raw: unknown): string {
  const path = issue.path.join('.') || 'experiment';
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], raw);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path.map(String), raw);
    return issue.keys
      .map((key) => {
        const where = [...issue.path, key].join('.');
        const guess = nearest(key, known);
        const near =
          guess === undefined
            ? nearestByLastPart(key, fieldsBeside(issue.path.map(String), raw as Record<string, unknown>))
            : [...issue.path, guess].join('.');
        return `${where}: no such field; ${near ? `did you mean ${near}?` : `there are ${known.join(', ')}`}`;
      })
      .join('; ');
  }
  if (issue.code === 'invalid_union' && 'discriminator' in issue)
    return `${path}: got ${JSON.stringify((value as { kind?: unknown })?.kind ?? value)}; pass one of ${kindsOf(issue.path.map(String)).join(', ')}`;
  const take = wanted(experimentJsonSchema(), issue.path, raw);
  return `${path}: ${value === undefined ? 'missing' : `got ${text(value)}`}; ${take ? `pass ${take}` : issue.message}`;
}

/** As JSON, with the numbers that JSON has no text for; shortened. */
function text(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 77)}...` : json;
}

function kindsOf(path: string[]): string[] {
  const union = path[0] === 'optimiser' ? optimiserSchema : modelSchema();
  return union.options.map((o) => String(o.shape.kind.value));
}

/** Fields of the other sections, of the model and the optimiser that this experiment has. */
function fieldsBeside([section]: string[], given: Record<string, unknown>): string[] {
  const raw = { model: { kind: DEFAULT_MODEL }, ...given };
  const others = ['grammar', 'task', 'model', 'optimiser', 'schedule', 'budget', 'evaluation'];
  return others.filter((one) => one !== section).flatMap((one) => knownKeys([one], raw).map((key) => `${one}.${key}`));
}

function knownKeys(path: string[], raw: unknown): string[] {
  if (!path.length) return Object.keys(experimentSchema().shape);
  const kind = (raw as Record<string, { kind?: string }>)[path[0]]?.kind;
  const object = { grammar, task, schedule, budget, evaluation }[path[0]];
  if (object) return Object.keys(object.shape);
  const union = path[0] === 'optimiser' ? optimiserSchema : modelSchema();
  const option = union.options.find((o) => o.shape.kind.value === kind);
  return option ? Object.keys(option.shape) : [];
}
