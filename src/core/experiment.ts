import * as z from 'zod';
import { InputError } from './errors.js';
import { experimentSchema, sections } from './experimentSchema.js';
import type { Experiment } from './experimentTypes.js';
import { heldRules } from './holdout.js';
import { maskLaw } from './masking.js';
import { DEFAULT_MODEL, modelFacts, modelSchema } from './modelFacts.js';
import { nearest, nearestByLastPart } from './nearest.js';
import { optimiserSchema } from './optimisers.js';
import { sentenceLength, TOKEN_LIMIT } from './rules.js';
import { tasks, tasksWith } from './tasks.js';
import { SECTION, wanted } from './wanted.js';

export type { Experiment, ExperimentInput } from './experimentTypes.js';

/** Fields that may be given as just a name. */
const shorthands = ['model', 'optimiser', 'task', 'schedule'];

/** Every fault of an experiment. */
export class ExperimentError extends InputError {
  override get name() {
    return 'InputError';
  }
  /** ofFields: each fault concerns a single field; false: fields do not fit together. */
  constructor(
    readonly faults: readonly string[],
    readonly ofFields = false,
  ) {
    super(faults.join('; '));
  }
}

/** Fills defaults and checks. @throws InputError naming field, value and bound; for an unknown field also the nearest known one. */
export function parseExperiment(input: unknown): Experiment {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw new InputError(`experiment: got ${JSON.stringify(input)}; pass an object such as {"model": "hcnn"}`);
  const { $schema: _, ...raw } = input as Record<string, unknown>; // for editors: no effect on the run
  for (const key of shorthands) {
    if (typeof raw[key] === 'string') raw[key] = { kind: raw[key] };
    const value = raw[key];
    if (value && typeof value === 'object' && !('kind' in value) && (key === 'model' || key === 'optimiser'))
      raw[key] = { ...(key === 'model' ? { kind: DEFAULT_MODEL } : optimiserOf(raw)), ...value };
  }
  if (raw.optimiser === undefined) raw.optimiser = optimiserOf(raw);
  const result = experimentSchema().safeParse(raw);
  if (!result.success)
    throw new ExperimentError(
      result.error.issues.map((issue) => explain(issue, raw)),
      true,
    );
  const { budget, evaluation, task } = result.data;
  if (budget.patience !== undefined && evaluation.validation === undefined)
    throw new ExperimentError([
      `budget.patience: got ${budget.patience} without a validation set; pass evaluation.validation too, such as 4096`,
    ]);
  if (evaluation.positions === 'last' && !tasks[task.kind].generates)
    throw new ExperimentError([
      `evaluation.positions: got 'last' with task '${task.kind}', which has one prediction per sentence; leave it out, or pass task ${tasksWith((one) => one.generates)}`,
    ]);
  checkMasks(result.data);
  checkWhole(result.data);
  checkLogic(result.data);
  checkShuffle(result.data);
  checkHoldout(result.data);
  const { precision, ...rest } = result.data;
  // Fields that are left out of the hash at their default, so that older experiments keep theirs.
  const { positions, ...sizes } = evaluation;
  const experiment = { ...rest, evaluation: positions === 'last' ? { ...sizes, positions } : sizes };
  return Object.freeze((precision === 'f16' ? { ...experiment, precision } : experiment) as Experiment);
}

/** @throws ExperimentError if fields of masks do not fit the task or the sentence. */
function checkMasks({ task, grammar }: Pick<Experiment, 'task' | 'grammar'>): void {
  for (const field of ['fraction', 'positions'] as const)
    if (task[field] !== undefined && !tasks[task.kind].masks)
      throw new ExperimentError([
        `task.${field}: the task '${task.kind}' masks no tokens; pass task.kind ${tasksWith(({ masks }) => masks)}, or leave it out`,
      ]);
  const d = sentenceLength(grammar);
  if (!tasks[task.kind].masks || d > TOKEN_LIMIT || (task.context ?? d) > d) return; // reported where sizes are checked
  try {
    maskLaw({ task, grammar });
  } catch (error) {
    throw error instanceof InputError ? new ExperimentError([error.message]) : error;
  }
}

/** @throws ExperimentError if a task about whole sentences of a grammar has no grammar. */
function checkWhole({ task, data }: Pick<Experiment, 'task' | 'data'>): void {
  if (!tasks[task.kind].wholeSentence) return;
  const about = `with task '${task.kind}', which predicts ${tasks[task.kind].predicts} of a sentence`;
  if (task.context !== undefined)
    throw new ExperimentError([`task.context: got ${task.context} ${about} from all its tokens; leave it out`]);
  if (data) throw new ExperimentError([`data: got rows ${about} of a grammar; leave it out`]);
}

/** @throws ExperimentError if weights of task.logic have nothing to act on. */
function checkLogic({ task, grammar }: Pick<Experiment, 'task' | 'grammar'>): void {
  const { logic } = task;
  if (!logic) return;
  if (tasks[task.kind].targets !== 'hidden')
    throw new ExperimentError([
      `task.logic: the task '${task.kind}' predicts no hidden symbols; pass task.kind ${tasksWith(({ targets }) => targets === 'hidden')}, or leave it out`,
    ]);
  if (!Object.keys(logic).length)
    throw new ExperimentError(['task.logic: got no weight; pass parent, tuple or exclusive, or leave it out']);
  for (const field of ['parent', 'tuple'] as const)
    if (logic[field] !== undefined && grammar.L < 2)
      throw new ExperimentError([
        `task.logic.${field}: got with grammar.L = 1, where no hidden symbol is the child of another; leave it out, or pass L = 2 or more`,
      ]);
}

/** @throws ExperimentError if shuffled positions have no meaning here. */
function checkShuffle({
  grammar: { shuffle },
  task,
  model,
  data,
}: Pick<Experiment, 'grammar' | 'task' | 'model' | 'data'>): void {
  if (shuffle === undefined) {
    if ('wiring' in model && model.wiring !== undefined)
      throw new ExperimentError([
        `model.wiring: got '${model.wiring}' without grammar.shuffle, where networks are wired along the tree already; leave it out, or pass grammar.shuffle`,
      ]);
    return;
  }
  const refuse = (why: string): never => {
    throw new ExperimentError([`grammar.shuffle: got ${shuffle} ${why}`]);
  };
  if (task.context !== undefined)
    refuse(
      `with task.context = ${task.context}: no shuffled positions are nearest to the last; leave one of the two out`,
    );
  if (tasks[task.kind].masks) refuse(`with task '${task.kind}', whose masks refer to places of the tree; leave it out`);
  if (tasks[task.kind].targets === 'hidden')
    refuse(`with task '${task.kind}', whose labels refer to places of the tree; leave it out`);
  if (data) refuse('with data, whose positions belong to no grammar; leave it out');
}

/** @throws ExperimentError if pairs cannot be held out. */
function checkHoldout({ grammar, data }: Pick<Experiment, 'grammar' | 'data'>): void {
  const { holdout } = grammar;
  if (!holdout) return;
  if (data) throw new ExperimentError(['grammar.holdout: got with data, which has no rules; leave it out']);
  for (const field of ['rootPrior', 'ruleProbabilities'] as const)
    if (grammar[field] !== undefined && grammar[field] !== 'uniform')
      throw new ExperimentError([
        `grammar.${field}: got with grammar.holdout, whose sentences are equally probable; leave one of the two out`,
      ]);
  try {
    heldRules(grammar, holdout);
  } catch (error) {
    throw error instanceof InputError ? new ExperimentError([error.message]) : error;
  }
}

function optimiserOf(raw: Record<string, unknown>): Record<string, unknown> {
  const { kind = DEFAULT_MODEL } = (raw.model ?? {}) as { kind?: unknown };
  return { ...modelFacts(String(kind)).optimiser };
}

let json: { of: unknown; schema: unknown } | undefined;

/**
 * JSON Schema of an experiment with every section spelt out: for forms and messages. The schema of a file is in
 * core/fileSchema.ts.
 */
export function experimentJsonSchema(): unknown {
  const schema = experimentSchema();
  if (json?.of !== schema) json = { of: schema, schema: z.toJSONSchema(schema, { io: 'input' }) };
  return json.schema;
}

/** Dotted names of all fields, including those of every kind of model and optimiser. */
export function experimentFields(): string[] {
  const alone = Object.entries(sections).map(([name, section]) => [name, [section]] as const);
  const variants = {
    ...Object.fromEntries(alone),
    model: modelSchema().options,
    optimiser: optimiserSchema.options,
  };
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
        const others = kindsWith(issue.path.map(String), key);
        if (others.length) {
          const { kind } = value as { kind: string };
          const file = issue.path[0] === 'model' ? `; rhm fields --yaml --model ${kind} prints a file with all` : '';
          return `${where}: no such field of ${kind} (of ${others.join(', ')}); there are ${known.join(', ')}${file}`;
        }
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
  if (value === null && take?.startsWith(SECTION))
    return `${path}: got null, as of a line without fields below it; set fields below it (${take.slice(SECTION.length)}), or leave it out`;
  return `${path}: ${value === undefined ? 'missing' : `got ${text(value)}`}; ${take ? `pass ${take}` : issue.message}`;
}

/** As JSON, shortened; numbers that JSON cannot write are written as text. */
function text(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 77)}...` : json;
}

function kindsOf(path: string[]): string[] {
  const union = path[0] === 'optimiser' ? optimiserSchema : modelSchema();
  return union.options.map((o) => String(o.shape.kind.value));
}

/** The kinds of a section's object that have a field. */
function kindsWith(path: string[], key: string): string[] {
  if (path.length !== 1 || (path[0] !== 'model' && path[0] !== 'optimiser')) return [];
  return kindsOf(path).filter((kind) => knownKeys(path, { [path[0]]: { kind } }).includes(key));
}

/** Fields of the other sections, and of this experiment's model and optimiser. */
function fieldsBeside([section]: string[], given: Record<string, unknown>): string[] {
  const raw = { model: { kind: DEFAULT_MODEL }, ...given };
  const others = ['grammar', 'task', 'model', 'optimiser', 'schedule', 'budget', 'evaluation'];
  return others.filter((one) => one !== section).flatMap((one) => knownKeys([one], raw).map((key) => `${one}.${key}`));
}

/** Fields of the object at a path inside a section. */
function shapeAt(section: z.ZodType, path: readonly string[]): Record<string, z.ZodType> {
  const object = section instanceof z.ZodOptional ? (section.unwrap() as z.ZodType) : section;
  const shape = object instanceof z.ZodObject ? (object.shape as Record<string, z.ZodType>) : {};
  const [key, ...rest] = path;
  return key === undefined ? shape : shape[key] ? shapeAt(shape[key], rest) : {};
}

function knownKeys(path: string[], raw: unknown): string[] {
  if (!path.length) return Object.keys(experimentSchema().shape);
  const kind = (raw as Record<string, { kind?: string }>)[path[0]]?.kind;
  const object = (sections as Partial<Record<string, (typeof sections)[keyof typeof sections]>>)[path[0]];
  if (object) return Object.keys(shapeAt(object, path.slice(1)));
  const union = path[0] === 'optimiser' ? optimiserSchema : modelSchema();
  const option = union.options.find((o) => o.shape.kind.value === kind);
  return option ? Object.keys(option.shape) : [];
}
