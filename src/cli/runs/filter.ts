/**
 * Conditions on runs, such as `--where model.width=64` and `--where "seed > 3 && state == 'done'"`, and the fields that they may name.
 */
import type { Overview } from '../../analysis/overview.js';
import { InputError } from '../../core/errors.js';
import { experimentFields } from '../../core/experiment.js';
import { nearestField } from '../../core/nearest.js';
import type { ListedRun } from '../../platform/runList.js';
import { compileExpression, type Value } from '../../sweep/expression.js';
import { scopeOf } from '../../sweep/scope.js';

/** A run, with the parts that have been read so far. */
export interface KnownRun {
  readonly listed: ListedRun;
  experiment?: Record<string, unknown>;
  overview?: Overview;
}

/** What a condition needs: the index, the experiment, or all records. */
export const stages = ['index', 'experiment', 'overview'] as const;
export type Stage = (typeof stages)[number];

export interface Condition {
  readonly text: string;
  readonly stage: Stage;
  /** It also uses the index, which changes while the run continues. */
  readonly usesIndex: boolean;
  holds(run: KnownRun): boolean;
}

/** Fields of a run that are not fields of its experiment. */
const listedFields: Readonly<Record<string, (run: ListedRun) => Value>> = {
  run: ({ run }) => run,
  name: ({ name }) => name,
  folder: ({ path }) => path,
  state: ({ state }) => state,
  lastLoss: ({ lastLoss }) => lastLoss,
  step: ({ step }) => step,
  at: ({ at }) => at,
  by: ({ by }) => by,
  error: ({ error }) => error,
  tries: ({ tries }) => tries ?? 0,
};

/** Short names, by which earlier versions knew the fields. */
const shortNames = new Map([['loss', 'lastLoss']]);

const overviewFields: Readonly<Record<string, (overview: Overview) => Value>> = {
  steps: ({ steps }) => steps,
  samples: ({ samples }) => samples,
  bestLoss: ({ bestLoss }) => bestLoss,
  accuracy: ({ accuracy }) => accuracy,
  level: ({ level }) => level,
};

/** P_2: training sentences seen when the loss passes `stepThreshold` of step 2. H_2: the plateau below that step. */
const POSITION = /^P_(\d{1,2})$/;
const PLATEAU = /^H_(\d{1,2})$/;

/** Sections for which a bare name may be given, as in an experiment file. */
const shorthands = ['model', 'optimiser', 'task', 'schedule'];

/** Every name that a condition, --sort or --columns may use. */
export const runFields = (): string[] => [
  ...Object.keys(listedFields),
  ...Object.keys(overviewFields),
  'P_1',
  'H_0',
  ...experimentFields(),
];

/** @throws InputError for a name that no run has. */
export function stageOf(field: string): Stage {
  const name = shortNames.get(field) ?? field;
  if (Object.hasOwn(listedFields, name)) return 'index';
  if (Object.hasOwn(overviewFields, name) || POSITION.test(name) || PLATEAU.test(name)) return 'overview';
  // A section as a whole means its kind; below a field, such as grammar.rootPrior.zipf, there is no list of names.
  const isKnown = (field: string) => name === field || (field.includes('.') && name.startsWith(`${field}.`));
  if (experimentFields().some(isKnown)) return 'experiment';
  const guess = nearestField(name, [...runFields(), ...shortNames.keys()]);
  throw new InputError(
    `no field ${name}${guess ? `; did you mean ${guess}?` : `; there are ${runFields().join(', ')}`}`,
  );
}

/** The value of a field; undefined: the run has none. */
export function fieldOf(given: string, { listed, experiment, overview }: KnownRun): Value {
  const name = shortNames.get(given) ?? given;
  if (Object.hasOwn(listedFields, name)) return listedFields[name](listed);
  if (Object.hasOwn(overviewFields, name)) return overview && overviewFields[name](overview);
  const ell = POSITION.exec(name)?.[1];
  if (ell) return overview?.P?.find((p) => p.ell === Number(ell))?.samples;
  const plateau = PLATEAU.exec(name)?.[1];
  if (plateau) return overview?.plateaus?.[Number(plateau)];
  const field = shorthands.includes(name) ? `${name}.kind` : name;
  let at: unknown = experiment;
  for (const key of field.split('.'))
    at =
      typeof at === 'object' && at !== null && Object.hasOwn(at, key)
        ? (at as Record<string, unknown>)[key]
        : undefined;
  if (at === undefined && field === 'grammar.n') return fieldOf('grammar.v', { listed, experiment });
  return typeof at === 'object' && at !== null ? JSON.stringify(at) : (at as Value);
}

const byName = new Intl.Collator('en', { numeric: true });

/** The order of two values of a field: numbers by size, text by name; runs without a value come last in both directions. */
export function compareValues(x: Value, y: Value, reverse: boolean): number {
  const [noX, noY] = [x === undefined || x === null, y === undefined || y === null];
  if (noX || noY) return Number(noX) - Number(noY);
  const sign = reverse ? -1 : 1;
  return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : byName.compare(String(x), String(y)));
}

/** The parts of a condition, all of which must be true; separated if that is possible, so that the index decides first what it can. */
export function parseConditions(text: string): Condition[] {
  const parts = /[()|"'?]/.test(text) ? [text] : text.split('&&');
  return parts.map((part) => parseCondition(part.trim()));
}

const SIMPLE = /^\s*([A-Za-z][\w.]*)\s*(==?|!=|<=|>=|<|>|~)\s*(.*?)\s*$/s;

/** @throws InputError for text that is neither `field=value` nor an expression. */
function parseCondition(text: string): Condition {
  try {
    return simpleCondition(text) ?? expressionCondition(text);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(
      `--where ${text}: ${error.message}; pass for example model.width=64, "seed > 3", name~m=4, or an expression as in a grid file`,
    );
  }
}

/** `field=value`, with =, !=, <, <=, >, >= and ~ (contains); the value is a number or text. */
function simpleCondition(text: string): Condition | undefined {
  const [, name, operator, right] = SIMPLE.exec(text) ?? [];
  if (name === undefined || (operator !== '~' && /[&|()]|[<>=!]=|\?/.test(right))) return undefined;
  const stage = stageOf(name);
  const wanted = literal(right);
  const bound = numberOf(wanted);
  const compare: Record<string, (value: Value) => boolean> = {
    '=': (value) => value === wanted || String(value) === right,
    '!=': (value) => value !== wanted && String(value) !== right,
    '~': (value) => value !== undefined && value !== null && String(value).includes(String(wanted)),
    '<': (value) => numberOf(value) < bound,
    '<=': (value) => numberOf(value) <= bound,
    '>': (value) => numberOf(value) > bound,
    '>=': (value) => numberOf(value) >= bound,
  };
  if (/[<>]/.test(operator) && Number.isNaN(bound)) return undefined; // perhaps an expression, such as grammar.m < seed
  const holds = compare[operator === '==' ? '=' : operator];
  return { text, stage, usesIndex: stage === 'index', holds: (run) => holds(fieldOf(name, run)) };
}

/** Only numbers are ordered; other values fail such a condition. */
const numberOf = (value: Value): number => (typeof value === 'number' ? value : Number.NaN);

function literal(text: string): Value {
  if (/^(["']).*\1$/s.test(text)) return text.slice(1, -1);
  if (/^(true|false|null)$/.test(text)) return JSON.parse(text);
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

function expressionCondition(text: string): Condition {
  const compiled = compileExpression(text);
  // Names outside quotes, without functions: they must be known before the expression is evaluated.
  const names = text.replace(/"[^"]*"|'[^']*'/g, '""').matchAll(/[A-Za-z_$][\w.$]*(?!\w*\s*\()/g);
  const used = [...names].map(([name]) => name).filter((name) => !/^(true|false|null)$/.test(name));
  const calls = /[A-Za-z_]\w*\s*\(/.test(text);
  const needed = Math.max(calls ? 1 : 0, ...used.map((name) => stages.indexOf(stageOf(name))));
  return {
    text,
    stage: stages[needed],
    usesIndex: used.some((name) => stageOf(name) === 'index'),
    holds(run) {
      let missing = false;
      const lookup = (name: string) => {
        const value = fieldOf(name, run);
        missing ||= value === undefined || value === null;
        return value;
      };
      try {
        return Boolean(compiled.evaluate({ ...scopeOf(run.experiment ?? {}, new Map()), lookup }));
      } catch (error) {
        if (missing && error instanceof InputError) return false; // it compares a value that this run does not have
        throw error;
      }
    },
  };
}
